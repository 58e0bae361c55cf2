"""The export of a training run: part of its success, done again if it is not whole, refused if it has no place."""

import pathlib

import pytest

from sparkcv import storage
from sparkcv.predict import manifest as manifests
from tests.faults.running import Run, check_whole
from tests.inputs import data

pytestmark = pytest.mark.tensorflow

TRAINED = "worker:0 runs on host"
EXPORTED = "exporter:0: publishing"
SCORED = "exporter:0: scoring with the published model"


@pytest.fixture
def flags(tmp_path):
    data.write_dataset(tmp_path / "data", data.drawn_shards(2, 12))
    flags = {"dataset_dir": tmp_path / "data", "train_dir": tmp_path / "run", "export_dir": tmp_path / "model"}
    return {**flags, "max_number_of_steps": 30}


def check_success(run, *said):
    """Hold a run's end to O6 and to what it did."""
    ended = run.end()
    assert ended.code == 0, ended.said
    done = {words for words in (TRAINED, EXPORTED, SCORED) if words in ended.said}
    assert done == {*said}, ended.said
    status = run.status()
    assert (status["state"], status["step"], status["reason"]) == ("finished", 30, None)
    manifest = manifests.read_manifest(str(run.flags["export_dir"]))
    manifests.verify(str(run.flags["export_dir"]), manifest)
    assert (manifest.step, manifest.run) == (30, f"{run.url}/model.ckpt-30")
    assert ended.said.rstrip().endswith(
        f"model {run.flags['export_dir']} of digest {manifest.digest[:16]}, read back, and it scores"
        if done
        else "; nothing was done"
    )
    return manifest


def test_a_run_is_a_success_once_its_model_scores_and_only_what_is_missing_is_done_again(flags, tmp_path):
    with Run(tmp_path, flags) as run:
        check_success(run, TRAINED, EXPORTED, SCORED)
    check_whole(run.url)
    assert not storage.exists(f"{run.url}/eval")  # nobody asked for an evaluator
    assert not storage.exists(f"{run.url}/best.json")
    assert run.status()["evaluated"] is None

    with Run(tmp_path, flags) as run:
        first = check_success(run)

    graph = pathlib.Path(flags["export_dir"]) / manifests.FROZEN_GRAPH
    whole = graph.read_bytes()
    graph.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with Run(tmp_path, flags) as run:
        assert check_success(run, EXPORTED, SCORED).files == first.files

    # A driver that was killed between publishing and scoring leaves a whole model and a run that is none.
    storage.write_json(f"{run.url}/status.json", {**run.status(), "state": "running"})
    with Run(tmp_path, flags) as run:
        check_success(run, SCORED)

    (pathlib.Path(flags["export_dir"]) / "model.json").unlink()
    with Run(tmp_path, flags) as run:
        ended = run.end()
    assert (ended.code, "is no model of this run" in ended.sentence) == (1, True)
    assert not any(words in ended.said for words in (TRAINED, EXPORTED, SCORED))
