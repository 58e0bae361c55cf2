"""status.json: what it says at each turn, and that it holds nobody up."""

import logging
import threading

import pytest

from sparkcv import storage
from sparkcv.errors import PreemptedError, RoleFailedError, StorageError
from sparkcv.rundir import checkpoint_publication
from sparkcv.rundir.status import StatusFile


@pytest.fixture
def run_dir(tmp_path):
    return str(tmp_path / "run")


def status(run_dir):
    return storage.read_json(f"{run_dir}/status.json")


def joined():
    for thread in threading.enumerate():
        if thread.name == "sparkcv-status":
            thread.join(30)


def test_a_run_is_running_then_finished(run_dir):
    file = StatusFile(run_dir, 100, interval_s=0)
    file.start(10)
    assert {key: value for key, value in status(run_dir).items() if key not in ("started", "updated")} == {
        "state": "running",
        "step": 10,
        "saved": 10,
        "target": 100,
        "restarts": 0,
        "note": None,
        "evaluated": None,
        "reason": None,
    }
    file.step(20)
    joined()
    file.step(15, saved=12)
    joined()
    assert (status(run_dir)["step"], status(run_dir)["saved"]) == (20, 12)
    file.finish(100)
    done = status(run_dir)
    assert (done["state"], done["step"], done["saved"]) == ("finished", 100, 100)


@pytest.mark.parametrize(
    ("error", "state"), [(RoleFailedError("worker:0 died"), "failed"), (PreemptedError("told to stop"), "preempted")]
)
def test_an_end_without_success_has_its_reason(run_dir, error, state):
    file = StatusFile(run_dir, None)
    file.start(0)
    file.step(5, "a save failed")
    file.fail(error)
    told = status(run_dir)
    assert (told["state"], told["reason"], told["note"]) == (state, str(error), None)


def test_a_save_that_its_chief_could_not_tell_of_is_counted_at_the_end(run_dir, tmp_path):
    prefix = tmp_path / "model.ckpt-50"
    for end in ("index", "data-00000-of-00001"):
        prefix.with_name(f"{prefix.name}.{end}").write_bytes(b"variables")
    file = StatusFile(run_dir, 100)
    file.start(0)
    file.step(20, saved=10)
    checkpoint_publication.publish(str(prefix), 50, run_dir, model_name="lenet")
    file.fail(RoleFailedError("worker:0 died"))
    assert (status(run_dir)["step"], status(run_dir)["saved"]) == (50, 50)


def test_progress_is_written_at_most_every_interval_but_news_at_once(run_dir):
    file = StatusFile(run_dir, 100, interval_s=1000)
    file.start(0)
    file.step(5)
    joined()
    assert status(run_dir)["step"] == 0
    file.step(6, "a save failed")
    joined()
    assert (status(run_dir)["step"], status(run_dir)["note"]) == (6, "a save failed")
    file.step(7)
    joined()
    assert (status(run_dir)["step"], status(run_dir)["note"]) == (7, None)


def test_a_write_that_fails_is_told_and_holds_nobody_up(run_dir, tmp_path, caplog):
    caplog.set_level(logging.WARNING, "sparkcv")
    file = StatusFile(run_dir, 100, interval_s=0)
    file.start(0)
    storage.delete(run_dir, recursive=True)
    (tmp_path / "run").write_text("a file in the way")
    file.step(5)
    joined()
    file.fail(RoleFailedError("the reason"))
    assert "status.json was not updated" in caplog.text
    with pytest.raises(StorageError):
        file.finish(100)
