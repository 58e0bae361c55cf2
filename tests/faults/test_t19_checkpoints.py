"""T19: whatever is damaged or gone, a run resumes at the newest valid step and says what it skipped, or is refused.

Which damage is found is shown byte by byte in tests/rundir/test_checkpoint.py; here a real run left the files, the real
driver judges them, and the real job goes on from them. ``T19_KILLS`` is the number of kills in a save, 2 without it.
"""

import json
import os
import re
import shutil
import signal
import time

import pytest

from sparkcv.config import TrainConfig
from sparkcv.driver import train
from sparkcv.errors import CheckpointError
from sparkcv.rundir import checkpoint
from tests.faults.conftest import put_dataset
from tests.faults.running import FLAGS, HANG_S, LARGE, Run, check_whole

pytestmark = pytest.mark.tensorflow

KILLS = int(os.environ.get("T19_KILLS", "2"))
NEWEST = ("model.ckpt-50.data-00000-of-00001", "model.ckpt-50.index", "model.ckpt-50.json")


@pytest.fixture(scope="module")
def left(tmp_path_factory):
    """The flags of a run that ended, with checkpoints of the steps 25 and 50."""
    folder = tmp_path_factory.mktemp("left")
    where = {"dataset_dir": put_dataset(folder / "data", str(folder / "data")), "train_dir": str(folder / "run")}
    flags = where | LARGE
    with Run(folder, {**flags, "max_number_of_steps": 50}) as run:
        ended = run.end()
    assert ended.code == 0, ended.said
    assert run.saved() == [25, 50]
    return flags


@pytest.fixture
def run_dir(left, tmp_path):
    """A copy of what that run left."""
    shutil.copytree(left["train_dir"], tmp_path / "run")
    return tmp_path / "run"


@pytest.fixture
def flags(left, run_dir):
    return {**left, "train_dir": str(run_dir), "max_number_of_steps": 60}


def prepared(flags):
    """What the driver finds before anything starts."""
    return train.prepare(TrainConfig(**{**FLAGS, **flags}))


def cut(share):
    def damage(path):
        path.write_bytes(path.read_bytes()[: path.stat().st_size * share // 100])

    return damage


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x40
    path.write_bytes(data)


DAMAGES = {f"cut at {share} %": cut(share) for share in (0, 25, 50, 99)}
DAMAGES |= {"flipped": flip, "deleted": lambda path: path.unlink()}


@pytest.mark.parametrize("name", NEWEST)
@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_newest_checkpoint_is_skipped_and_the_one_before_resumes(run_dir, flags, name, damage):
    damage(run_dir / name)
    plan = prepared(flags)
    assert plan.step == 25
    ((step, reason),) = plan.found.skipped
    assert step == 50
    assert "manifest" in reason or name in reason


@pytest.mark.parametrize("pointer", [None, b"", b'model_checkpoint_path: "mod', b"\0\xff"])
def test_the_pointer_decides_nothing(run_dir, flags, pointer):
    (run_dir / "checkpoint").unlink()
    if pointer is not None:
        (run_dir / "checkpoint").write_bytes(pointer)
    assert prepared(flags).step == 50


LOST = [("model.ckpt-*.index",), ("model.ckpt-*.json",), ("model.ckpt-*",), ("model.ckpt-*", "checkpoint")]


@pytest.mark.parametrize("lost", LOST, ids=["a file of each", "the manifests", "all", "all and the pointer"])
def test_where_no_checkpoint_is_left_the_run_is_refused_and_only_restart_begins_anew(run_dir, flags, lost):
    for pattern in lost:
        for path in run_dir.glob(pattern):
            path.unlink()
    with pytest.raises(CheckpointError, match=r"will not start again from step 0.* say --restart"):
        prepared(flags)
    assert prepared({**flags, "restart": True}).step == 0


def test_the_job_resumes_before_the_damage_says_what_it_skipped_and_mends_it(run_dir, flags, tmp_path):
    flip(run_dir / NEWEST[0])
    (run_dir / "checkpoint").write_bytes(b"")
    lines = (run_dir / "metrics.jsonl").read_bytes().count(b"\n")
    with Run(tmp_path, flags) as run:
        ended = run.end()
    assert ended.code == 0, ended.said
    assert re.search(
        r"worker:0 warning skipped the checkpoint of step 50: .* has crc32c .*, its manifest says", run.said
    )
    assert f"resuming from {run_dir}/model.ckpt-25" in run.said
    assert run.saved() == [50, 60]
    new = [json.loads(line) for line in (run_dir / "metrics.jsonl").read_bytes().splitlines()[lines:] if line]
    assert min(line["step"] for line in new) > 25
    check_whole(run.url)


def test_the_job_moves_aside_what_was_there_only_when_told_to_restart(run_dir, flags, tmp_path):
    before = {path.name: path.read_bytes() for path in run_dir.glob("model.ckpt-*")}
    with Run(tmp_path, {**flags, "max_number_of_steps": 25, "restart": True}) as run:
        ended = run.end()
    assert ended.code == 0, ended.said
    (aside,) = run_dir.glob("before-restart-*")
    assert f"files and folders of the run before to {aside}; starting at step 0" in run.said
    assert f"no checkpoint in {run_dir}: starting at step 0" in run.said
    assert {path.name: path.read_bytes() for path in aside.glob("model.ckpt-*")} == before
    assert checkpoint.newest_valid(str(aside)).step == 50
    assert run.saved() == [25]
    check_whole(run.url)


def test_another_models_checkpoint_is_refused_with_the_difference(run_dir, flags, tmp_path):
    other = {**flags, "model_name": "cifarnet", "train_image_size": 32}
    with pytest.raises(CheckpointError, match="holds a run with model_name 'lenet', this one has 'cifarnet'"):
        prepared(other)
    (run_dir / "run.json").unlink()
    with Run(tmp_path, other) as run:
        ended = run.end()
    assert ended.code == 1
    assert "model.ckpt-50' is not of this run's 'cifarnet': it holds the net 'lenet'; it lacks CifarNet/" in ended.said
    assert "Traceback" not in ended.said
    assert checkpoint.newest_valid(run.url).step == 50


def kill_in_a_save(run):
    """SIGKILL of driver and chief as soon as a save is seen to be under way; returns its step."""
    chief = int(run.wait_for(r"worker:0 runs on host \S+, process (\d+)")[1])
    give_up_s = time.monotonic() + HANG_S
    while time.monotonic() < give_up_s:
        for name in os.listdir(run.url):
            if name.startswith(".saving-") and ".tmp-" not in name:
                os.kill(run._process.pid, signal.SIGKILL)  # it would have the chief started again
                os.kill(chief, signal.SIGKILL)
                return int(name.removeprefix(".saving-"))
    raise AssertionError("no save began")


def test_a_run_that_is_killed_in_its_saves_loses_no_more_than_that_save(run_dir, flags, tmp_path):
    told, flags = 50, {**flags, "max_number_of_steps": 10**6}
    for _ in range(KILLS):
        with Run(tmp_path, flags) as run:
            found = int(run.wait_for(r"resuming from \S+/model\.ckpt-(\d+)")[1])
            assert found >= told
            step = kill_in_a_save(run)
            run.end()
        told = max([found, *run.saved()])
        assert checkpoint.newest_valid(run.url).step in (told, step)
    with Run(tmp_path, {**flags, "max_number_of_steps": told + 30}) as run:
        ended = run.end()
    assert ended.code == 0, ended.said
    assert int(re.search(r"resuming from \S+/model\.ckpt-(\d+)", run.said)[1]) >= told
    check_whole(run.url)
