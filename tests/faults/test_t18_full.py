"""T18: a full quota, scratch disk or spool costs at most two saves, then the run; what was saved restores."""

import contextlib
import shutil
import subprocess
import threading
from pathlib import Path

import psutil
import pytest

from sparkcv import storage
from sparkcv.errors import FullError, MissingFileError
from sparkcv.inputs.spool import Spool
from sparkcv.records.assignment import assign
from sparkcv.records.shards import open_dataset
from sparkcv.rundir import checkpoint
from tests.faults.conftest import put_dataset
from tests.faults.reader import Reader
from tests.faults.running import LARGE, Run, check_preempted, check_whole
from tests.hadoop import wait_until
from tests.inputs import data

pytestmark = [pytest.mark.hadoop, pytest.mark.tensorflow]

_MB = 1 << 20
_TIGHTEN_S = 0.2
_ROOM = 8 * _MB  # for status.json and curves; not for a checkpoint, which is 13 MB in each of two replicas


@contextlib.contextmanager
def small_disk(folder, num_bytes=20 * _MB):
    """A file system of its own on ``folder`` that is full after ``num_bytes``."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={num_bytes}", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextlib.contextmanager
def filled(folder, left=_MB):
    """Leave a disk so many free bytes."""
    ballast = Path(folder) / "ballast"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):  # others write there, too
        while (room := shutil.disk_usage(folder).free - left) > 0:
            file.write(bytes(min(room, _MB // 4)))
    yield
    ballast.unlink()


@contextlib.contextmanager
def still(process):
    """Nothing of a process runs, if it is there."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process.suspend()
    try:
        yield
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.resume()


@contextlib.contextmanager
def filled_quota(cluster, run):
    """Leave a run's folder in HDFS less room than one checkpoint takes, also after the run has deleted an older one.

    A quota is set by a Java process, which takes longer than a save: the chief stands still meanwhile.
    """
    path, chief, over = run.url.removeprefix(cluster.url), run.wait_for_role("worker:0"), threading.Event()

    def hold():
        least = None
        while not over.wait(_TIGHTEN_S):
            with still(chief), contextlib.suppress(MissingFileError):  # deleted between two looks
                size = sum(entry.size for entry in storage.walk(run.url))
                if least is None or size < least:
                    least = size
                    cluster.set_quota(path, 2 * least + _ROOM)

    holder = threading.Thread(target=hold)
    holder.start()
    try:
        yield
    finally:
        over.set()
        holder.join()
        with still(chief):
            cluster.set_quota(path, None)


@pytest.fixture
def flags(on_cluster, tmp_path, request):
    url = f"{on_cluster.url}/{request.node.name}"
    return {"dataset_dir": put_dataset(tmp_path / "data", f"{url}/data"), "train_dir": f"{url}/run", **LARGE}


def test_a_full_quota_costs_two_saves_then_the_run_and_what_was_saved_restores(on_cluster, flags, tmp_path):
    with Reader(flags["train_dir"]) as reader, Run(tmp_path, flags) as run:
        run.wait_for_save()
        with filled_quota(on_cluster, run):
            missed = int(run.wait_for(r"warning the save at step (\d+) failed, the last good checkpoint is of step")[1])
        run.wait_for(r"saves succeed again, after [12] that failed")
        run.wait_for_save(above=missed)
        with filled_quota(on_cluster, run):
            run.wait_for(r"warning 2 saves in a row failed, .*; training goes on, and ends if 3 in a row fail: .*quota")
            ended = run.end()
    assert reader.faults == []
    assert ended.code == 1
    good = run.saved()[-1]
    assert f"3 saves in a row failed, the last at step {good + 75}; the last good checkpoint is of" in ended.sentence
    assert "quota" in ended.sentence
    assert "to change: make room" in ended.said
    status = run.status()
    assert (status["state"], "3 saves in a row failed" in status["reason"]) == ("failed", True)
    assert checkpoint.newest_valid(run.url).step == good
    check_whole(run.url)
    with Run(tmp_path, {**flags, "max_number_of_steps": good + 5}) as run:
        assert run.end().code == 0
    assert f"resuming from {run.url}/model.ckpt-{good}" in run.said
    check_whole(run.url)


def test_a_full_scratch_disk_costs_a_save_and_when_there_is_room_again_the_next_succeeds(flags, tmp_path):
    with small_disk(tmp_path / "disk") as disk, Run(tmp_path, flags, {"TMPDIR": str(disk)}) as run:
        run.wait_for_save()
        with filled(disk):
            run.wait_for(r"the save at step \d+ failed, .*cannot write a checkpoint to the scratch folder '.*/disk/")
            run.wait_for_note("No space left on device; wanted room for a whole checkpoint")
        run.wait_for("saves succeed again")
        run.wait_for_save(above=run.highest_step())
        check_preempted(run)


def test_without_a_save_to_spare_the_first_that_fails_ends_the_run(flags, tmp_path):
    """The mechanism off, by its own flag."""
    run_flags = {**flags, "max_missed_saves": 0}
    with small_disk(tmp_path / "disk") as disk, Run(tmp_path, run_flags, {"TMPDIR": str(disk)}) as run:
        run.wait_for_save()
        with filled(disk):
            ended = run.end()
    assert ended.code == 1
    assert ended.sentence.startswith("train: the save at step ")
    assert checkpoint.newest_valid(run.url).step == run.saved()[-1]


def stored(folder, *megabytes):
    """Shards of so many MB each, as one reader's."""
    data.write_dataset(folder / "data", [[b"%d" % index + bytes(num * _MB)] for index, num in enumerate(megabytes)])
    return assign(open_dataset(str(folder / "data"), "shapes", "train").shards, 0, 1)


@pytest.fixture
def parts(tmp_path):
    return stored(tmp_path, *[4] * 6)


def spool(parts, disk, **more):
    settings = {"max_bytes": 1 << 30, "seed": None, "check": lambda payload: None, "parallel": 2, **more}
    return Spool(parts, str(disk), **settings)


def pass_through(opened):
    """Take and release to the end; returns the sources in order."""
    taken = []
    for shard in opened:
        taken.append(shard.source)
        opened.release(shard.ticket)
    return taken


def test_a_spool_takes_what_its_disk_has_and_no_more(parts, tmp_path):
    with small_disk(tmp_path / "disk") as disk, spool(parts, disk, num_epochs=3) as opened:
        taken = []
        for shard in opened:
            assert shutil.disk_usage(disk).free >= 4 * _MB  # for a checkpoint
            taken.append(shard.source)
            opened.release(shard.ticket)
    assert sorted(taken) == sorted([*range(6)] * 3)


def test_a_spool_whose_disk_fills_up_makes_room_and_goes_on(tmp_path, caplog):
    caplog.set_level("WARNING", "sparkcv")
    parts = stored(tmp_path, 3, 3, 3, 8)
    with small_disk(tmp_path / "disk") as disk, spool(parts, disk, num_epochs=2) as opened:
        first = opened.take()
        wait_until(lambda: opened.gauge()[0] == 2, "two more shards; the fourth does not fit beside these", 60)
        with filled(disk):
            opened.release(first.ticket)
            taken = [0, *pass_through(opened)]
    assert sorted(taken) == sorted([*range(4)] * 2)
    assert "the spool is held to" in caplog.text


def test_a_disk_without_room_for_one_shard_is_told_at_once(parts, tmp_path):
    with (
        small_disk(tmp_path / "disk") as disk,
        filled(disk),
        pytest.raises(FullError, match=r"the disk of .* has 1048576 bytes free"),
    ):
        spool(parts, disk)


def test_a_disk_that_is_full_for_good_ends_the_spool_with_the_shard_and_its_bytes(tmp_path):
    parts = stored(tmp_path, 1, 1, 8)
    with small_disk(tmp_path / "disk") as disk, spool(parts, disk, max_bytes=9 * _MB + _MB // 2) as opened:
        first = opened.take()
        wait_until(lambda: opened.gauge()[0] == 1, "the second shard; the third does not fit beside both", 60)
        with filled(disk):
            opened.release(first.ticket)
            with pytest.raises(FullError, match=r"wanted 83\d+ bytes for one shard: free room, or use smaller shards"):
                pass_through(opened)
