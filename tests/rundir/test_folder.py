"""What a run's folder holds, looked at as a whole."""

import pytest

from sparkcv import storage
from sparkcv.errors import CheckpointError, LeaseError
from sparkcv.rundir import checkpoint_publication, lease
from sparkcv.rundir.description import RunDescription
from sparkcv.rundir.folder import RunFolder
from sparkcv.rundir.status import RunStatus, StatusFile


@pytest.fixture
def run_url(tmp_path):
    return str(tmp_path / "run")


def parts(folder):
    return folder.description, folder.newest, folder.status, folder.holder, folder.is_finished


def test_a_folder_that_is_not_there_holds_nothing_and_is_not_made(run_url):
    assert parts(RunFolder.inspect(run_url)) == (None, None, RunStatus(), None, False)
    assert not storage.exists(run_url)


def test_all_that_a_run_left_is_told(run_url, tmp_path):
    (tmp_path / "local").mkdir()
    for kind in ("index", "data-00000-of-00001"):
        (tmp_path / "local" / f"model.ckpt-7.{kind}").write_bytes(b"x")
    with lease.held(run_url, application="application_1_1"):
        RunDescription(model_name="lenet").write(run_url)
        found = checkpoint_publication.publish(str(tmp_path / "local" / "model.ckpt-7"), 7, run_url, model_name="lenet")
        StatusFile(run_url, 7).finish(7)
        with pytest.raises(LeaseError, match="is held by"):
            _ = RunFolder.inspect(run_url).holder
    description, newest, status, holder, is_finished = parts(RunFolder.inspect(run_url))
    assert description == RunDescription(model_name="lenet")
    assert (newest.step, newest.prefix_url) == (7, found.prefix_url)
    assert (status, is_finished) == (RunStatus("finished", 7, 7), True)
    assert (holder.application, holder.is_held) == ("application_1_1", False)


def test_a_part_is_read_once_so_that_all_who_ask_hear_the_same(run_url):
    folder = RunFolder.inspect(run_url)
    assert folder.description is None
    RunDescription(model_name="lenet").write(run_url)
    assert folder.description is None
    assert RunFolder.inspect(run_url).description == RunDescription(model_name="lenet")


def test_a_run_that_has_lost_its_checkpoints_is_no_new_run(run_url):
    storage.write_json(f"{run_url}/status.json", {"state": "finished", "step": 7})
    with pytest.raises(CheckpointError, match="will not start again from step 0"):
        _ = RunFolder.inspect(run_url).newest


def test_a_status_that_does_not_read_says_nothing(run_url, caplog):
    storage.write_text(f"{run_url}/status.json", "no json")
    assert not RunFolder.inspect(run_url).is_finished
    assert "status.json" in caplog.text
