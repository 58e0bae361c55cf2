"""The export of a training run: part of its success, done again if it is not whole, refused if it has no place."""

import os
import pathlib
import signal

import pytest

from sparkcv import storage
from sparkcv.predict import manifest as manifests
from tests.faults import oracles, points
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


def kill(run, point, victim):
    """SIGKILL of the exporter's process, or of the driver, at a point of the export; returns how the run ended."""
    point(run, victim)
    os.kill(run.pid if victim == "driver" else run.wait_for_role(victim).pid, signal.SIGKILL)
    ended = run.end()
    run.wait_for_left()
    return ended


def test_killed_in_its_export_a_run_is_no_success_and_the_same_command_does_only_what_is_missing(flags, tmp_path):
    """T2."""
    with Run(tmp_path, flags) as run:
        ended = kill(run, points.before_export, "exporter:0")
    assert ended.code == 1, ended.said
    assert TRAINED in ended.said
    assert "exporter:0 was killed by signal 9 (SIGKILL)" in ended.sentence
    oracles.check_told_truly(run, ended)
    oracles.check_nothing_left(run)
    check_whole(run.url)
    assert not storage.exists(f"{run.url}/eval")  # nobody asked for an evaluator
    assert not storage.exists(f"{run.url}/best.json")
    assert run.status()["evaluated"] is None

    with Run(tmp_path, flags) as run:
        ended = kill(run, points.mid_export, "exporter:0")
    assert ended.code == 1, ended.said
    assert not any(words in ended.said for words in (TRAINED, SCORED))
    oracles.check_told_truly(run, ended)
    assert not [entry.name for entry in storage.list_dir(str(tmp_path)) if entry.name.startswith(".model")]

    with Run(tmp_path, flags) as run:
        assert kill(run, points.after_export, "driver").code == -signal.SIGKILL
    assert run.status()["state"] == "running"

    # What is there is whole, and the run is no success: nobody has scored with it.
    with Run(tmp_path, flags) as run:
        check_success(run, SCORED)
    oracles.check_exported(run, run.end())
    with Run(tmp_path, flags) as run:
        check_success(run)

    (pathlib.Path(flags["export_dir"]) / "model.json").unlink()
    with Run(tmp_path, flags) as run:
        ended = run.end()
    assert (ended.code, "is no model of this run" in ended.sentence) == (1, True)
    assert not any(words in ended.said for words in (TRAINED, EXPORTED, SCORED))
