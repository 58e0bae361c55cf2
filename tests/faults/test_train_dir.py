"""A train_dir that is locked, read-only, full or deleted: one sentence, a true exit code, and nothing that hangs."""

import shutil
import subprocess

import pytest

from sparkcv import storage
from sparkcv.rundir import lease
from tests.faults.conftest import put_dataset
from tests.faults.running import Run
from tests.faults.test_t18_full import filled, small_disk


@pytest.fixture
def flags(tmp_path):
    return {"dataset_dir": put_dataset(tmp_path / "data", str(tmp_path / "data")), "train_dir": str(tmp_path / "run")}


def refused(folder, flags):
    """The one sentence of a run that does not start."""
    with Run(folder, flags) as run:
        ended = run.end()
    assert ended.code == 1, ended.said
    assert len([line for line in ended.said.splitlines() if line.startswith("train: ")]) == 1, ended.said
    assert "Traceback" not in ended.said
    return ended.sentence


def names(path):
    return sorted(entry.name for entry in storage.list_dir(str(path)))


def test_a_folder_that_another_run_holds(flags, tmp_path):
    with lease.held(flags["train_dir"]):
        assert f"--train_dir {flags['train_dir']} is held by" in refused(tmp_path, flags)
        assert names(tmp_path / "run") == ["run.lock.1"]


@pytest.mark.parametrize("kind", ["garbage", "a link"])
def test_a_folder_with_a_lock_that_somebody_laid_there(flags, tmp_path, kind):
    """S29."""
    precious, lock = tmp_path / "precious", tmp_path / "run" / "run.lock.1"
    precious.write_text("secret")
    lock.parent.mkdir()
    lock.symlink_to(precious) if kind == "a link" else lock.write_text("secret")
    sentence = refused(tmp_path, flags)
    assert "run.lock.1' stands where the lock of a run belongs and is none that sparkcv wrote" in sentence
    assert "secret" not in sentence
    assert (precious.read_text(), lock.read_text()) == ("secret", "secret")
    assert names(tmp_path / "run") == ["run.lock.1"]


def test_a_folder_on_a_read_only_disk(flags, tmp_path):
    with small_disk(tmp_path / "disk") as disk:
        (disk / "run").mkdir()
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        sentence = refused(tmp_path, {**flags, "train_dir": str(disk / "run")})
        assert names(disk / "run") == []
    assert "Read-only file system" in sentence
    assert str(disk / "run") in sentence


def test_a_folder_on_a_full_disk(flags, tmp_path):
    with small_disk(tmp_path / "disk") as disk:
        (disk / "run").mkdir()
        with filled(disk, left=0):
            sentence = refused(tmp_path, {**flags, "train_dir": str(disk / "run")})
    assert "No space left on device" in sentence


@pytest.mark.tensorflow
def test_a_folder_that_is_deleted_while_the_run_goes_on(flags, tmp_path):
    with Run(tmp_path, flags) as run:
        run.wait_for_save()
        shutil.rmtree(run.url, ignore_errors=True)
        ended = run.end()
    assert ended.code == 1
    assert f"has lost --train_dir {run.url}" in ended.sentence
    assert "so the folder was deleted, moved or emptied while the run went on" in ended.sentence
    assert "Traceback" not in ended.said


@pytest.mark.tensorflow
def test_a_folder_whose_disk_is_full_from_some_step_on(flags, tmp_path):
    with small_disk(tmp_path / "disk", 60 << 20) as disk:
        with Run(tmp_path, {**flags, "train_dir": str(disk / "run")}) as run:
            good = run.wait_for_save()
            with filled(disk):
                ended = run.end()
        assert ended.code == 1
        assert "saves in a row failed" in ended.sentence
        assert "No space left on device" in ended.sentence
        assert storage.exists(f"{run.url}/model.ckpt-{good}.json")
