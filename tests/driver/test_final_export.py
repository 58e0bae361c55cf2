"""The export at the end of training: what --export_dir may hold, and when it counts as done."""

import dataclasses
import pathlib

import pytest

from sparkcv.config import TrainConfig
from sparkcv.driver import final_export
from sparkcv.errors import FileExistsAlreadyError, UsageError
from sparkcv.train.checkpoint import Found
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
