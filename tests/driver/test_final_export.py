"""The export at the end of training: what --export_dir may hold, and when it counts as done."""

import dataclasses
import logging
import pathlib

import pytest

from sparkcv import storage
from sparkcv.config import TrainConfig
from sparkcv.driver import final_export, train
from sparkcv.errors import FileExistsAlreadyError, UsageError
from sparkcv.rundir import checkpoint_publication
from sparkcv.rundir.checkpoint import Found
from tests.contracts.local_launcher import LocalLauncher
from tests.inputs import data
from tests.predict.models import write_folder


@pytest.fixture
def config(tmp_path):
    return TrainConfig(dataset_dir="/data", train_dir=str(tmp_path / "run"), export_dir=str(tmp_path / "model"))


@pytest.fixture
def found(config):
    return Found(7, f"{config.train_dir}/model.ckpt-7")


@pytest.fixture
def model(config, found):
    """An export of this run's checkpoint."""
    write_folder(config.export_dir, b"a graph", run=found.prefix_url)
    return pathlib.Path(config.export_dir)


def test_an_export_of_the_last_checkpoint_is_done(config, found, model):
    final_export.check(config)
    assert final_export.is_whole(config, found)


def test_without_a_folder_or_a_checkpoint_there_is_no_export(config, found, tmp_path):
    final_export.check(config)
    assert not final_export.is_whole(config, found)
    pathlib.Path(config.export_dir).mkdir()
    final_export.check(config)
    assert not final_export.is_whole(config, found)
    assert not final_export.is_whole(config, None)


@pytest.mark.parametrize("step", [6, 8])
def test_an_export_of_another_step_is_not_done_and_may_be_replaced(config, model, step):
    final_export.check(config)
    assert not final_export.is_whole(config, Found(step, f"{config.train_dir}/model.ckpt-{step}"))


@pytest.mark.parametrize("name", ["frozen_inference_graph.pb", "labels.txt"])
@pytest.mark.parametrize("harm", ["flipped", "cut", "gone"])
def test_an_export_that_was_tampered_with_is_not_done(config, found, model, name, harm):
    path = model / name
    data = path.read_bytes()
    path.write_bytes(bytes([data[0] ^ 1]) + data[1:] if harm == "flipped" else data[:-1])
    if harm == "gone":
        path.unlink()
    final_export.check(config)
    assert not final_export.is_whole(config, found)


def test_a_model_json_that_was_tampered_with_is_told_before_anything_starts(config, found, model):
    path = model / "model.json"
    path.write_bytes(path.read_bytes().replace(b'"step": 7', b'"step": 9'))
    assert not final_export.is_whole(config, found)
    with pytest.raises(FileExistsAlreadyError, match=r"is no model of this run .*model\.json' was changed"):
        final_export.check(config)


def test_what_is_not_this_runs_is_not_replaced(config, tmp_path):
    folder = pathlib.Path(config.export_dir)
    write_folder(folder, b"a graph", run="/runs/other/model.ckpt-7")
    with pytest.raises(FileExistsAlreadyError, match=r"--export_dir: .* is a model of the run in '/runs/other'"):
        final_export.check(config)
    (folder / "model.json").unlink()
    with pytest.raises(FileExistsAlreadyError, match=r"is no model of this run .*holds no model\.json"):
        final_export.check(config)
    with pytest.raises(FileExistsAlreadyError, match=r"labels\.txt' is there already and is no model"):
        final_export.check(dataclasses.replace(config, export_dir=str(folder / "labels.txt")))


@pytest.mark.parametrize("name", ["run", ""])
def test_a_folder_that_holds_the_run_is_refused(config, tmp_path, name):
    with pytest.raises(UsageError, match=r"--export_dir \S+ holds --train_dir \S+; wanted a folder of its own"):
        final_export.check(dataclasses.replace(config, export_dir=str(tmp_path / name)))
    final_export.check(dataclasses.replace(config, export_dir=f"{config.train_dir}/model"))


def test_a_run_whose_export_lost_its_place_is_trained_and_failed(config, tmp_path, caplog):
    """Somebody came to use the folder while training went on; nothing of theirs is touched."""
    data.write_dataset(tmp_path / "data", data.drawn_shards(1, 4))
    flags = {"dataset_name": "shapes", "model_name": "lenet", "train_image_size": 28, "max_number_of_steps": 7}
    config = dataclasses.replace(config, dataset_dir=str(tmp_path / "data"), **flags)
    (tmp_path / "local").mkdir()
    for suffix in (".index", ".data-00000-of-00001"):
        (tmp_path / "local" / f"model.ckpt-7{suffix}").write_bytes(b"7")
    checkpoint_publication.publish(str(tmp_path / "local" / "model.ckpt-7"), 7, config.train_dir, model_name="lenet")
    plan = train.prepare(config)
    assert (plan.is_trained, plan.is_finished) == (True, False)
    pathlib.Path(config.export_dir).mkdir()
    (pathlib.Path(config.export_dir) / "theirs.txt").write_text("theirs")
    with caplog.at_level(logging.ERROR, "sparkcv"), pytest.raises(FileExistsAlreadyError) as told:
        train.run_on(LocalLauncher(1, []), plan)
    status = storage.read_json(f"{config.train_dir}/status.json")
    assert (status["state"], status["step"], status["reason"]) == ("failed", 7, str(told.value))
    assert "the run is trained to step 7, its export failed: the same command does only that again" in caplog.text
    assert [path.name for path in pathlib.Path(config.export_dir).iterdir()] == ["theirs.txt"]


def test_a_finished_run_whose_driver_died_before_it_said_so_says_so_when_asked_again(config, found, model, tmp_path):
    plan = train.TrainPlan(dataclasses.replace(config, max_number_of_steps=7), None, found)
    assert "nothing was done" in str(train.run(None, plan))
    assert storage.read_json(f"{config.train_dir}/status.json")["state"] == "finished"
