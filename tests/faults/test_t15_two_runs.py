"""T15: two submits of one run directory: one runs, the other is told; a killed or stopped owner is followed.

``T15_TRIES`` is the number of pairs, 3 without it; the figures are properties of the tests' report.
"""

import contextlib
import dataclasses
import os
import random
import re
import signal
import subprocess
import sys
import time

import psutil
import pytest

from sparkcv import storage
from sparkcv.rundir import checkpoint, lease, lease_file
from sparkcv.rundir.process import Process
from tests.faults.conftest import put_dataset
from tests.faults.running import HANG_S, ROOT, Run
from tests.hadoop import wait_until

pytestmark = pytest.mark.tensorflow

TRIES = int(os.environ.get("T15_TRIES", "3"))
_HELD = (
    r"train: --train_dir (\S+) is held by \S+ on \S+ \(process (\d+)\) since .* UTC, last renewed .* UTC; wait until"
)
_RUNS = r"worker:0 runs on host"
_TAKEN_OVER = r"taking over --train_dir \S+, held by \S+ on \S+ \(process (\d+)\)"

CONTENDER = """
import sys, time
from sparkcv.rundir import lease
started_s = time.monotonic()
with lease.held(sys.argv[1]) as mine:
    print(mine.token, time.monotonic() - started_s)
"""


@pytest.fixture(scope="module", autouse=True)
def contender(tmp_path_factory):
    """A run that waits, while the other tests run, for the lease of one that was killed on another host."""
    run_url = str(tmp_path_factory.mktemp("elsewhere") / "run")
    process = Process("another-host", "alice", 4711, "another boot", "99")
    killed = lease_file.Holder(8, "f" * 32, process, "", True, 7, time.time() - 60, time.time())
    storage.write_bytes(lease_file.url_of(run_url, 8), killed.to_bytes())
    command = [sys.executable, "-c", CONTENDER, run_url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, text=True) as one:
        yield one
        one.kill()


@pytest.fixture
def flags(tmp_path):
    return {"dataset_dir": put_dataset(tmp_path / "data", str(tmp_path / "data")), "train_dir": str(tmp_path / "run")}


@contextlib.contextmanager
def two(folder, flags, delay_s, job="tests.faults.job"):
    """Two submits, so many seconds apart."""
    with Run(folder, flags, job=job) as first:
        time.sleep(delay_s)
        with Run(folder, flags, job=job) as second:
            yield first, second


def is_over(run):
    return run._process.poll() is not None


def kill(run):
    """SIGKILL of the driver alone: nobody says or releases anything."""
    run._process.kill()
    run._process.wait(HANG_S)
    return time.monotonic()


def test_of_two_submits_exactly_one_runs_and_a_killed_one_is_followed_at_once(flags, tmp_path, record_property):
    delays, killed, took_s = random.Random(15), None, []
    for number in range(TRIES):
        with two(tmp_path, flags, delays.uniform(0, 0.5)) as pair:
            wait_until(lambda pair=pair: any(map(is_over, pair)), "the end of one of the two", HANG_S)
            loser, winner = sorted(pair, key=is_over, reverse=True)
            ended = loser.end()
            assert ended.code == 1
            told = re.match(_HELD, ended.sentence)
            assert (told[1], int(told[2])) == (flags["train_dir"], winner._process.pid), ended.said
            assert not re.search(_RUNS, ended.said)
            assert "Traceback" not in ended.said
            winner.wait_for(_RUNS)
            assert not is_over(winner)
            if killed is not None:
                assert int(winner.wait_for(_TAKEN_OVER)[1]) == killed[0]
            assert [lock.token for lock in [lease_file.newest(winner.url)]] == [number + 1]
            assert winner.status()["state"] == "running"
            killed = (winner._process.pid, kill(winner))
    with Run(tmp_path, {**flags, "max_number_of_steps": 30}) as run:
        run.wait_for(_TAKEN_OVER)
        took_s.append(time.monotonic() - killed[1])
        ended = run.end()
    assert ended.code == 0, ended.said
    record_property("reclaimed_on_the_same_host_s", round(max(took_s), 1))
    assert not lease_file.newest(run.url).is_held


def test_without_the_lease_both_run_in_one_folder(flags, tmp_path):
    """The mechanism off."""
    with two(tmp_path, flags, 0.2, job="tests.faults.job_without_lease") as pair:
        for run in pair:
            run.wait_for(_RUNS)


def test_an_owner_that_was_stopped_and_followed_publishes_nothing_and_ends_with_one_sentence(flags, tmp_path):
    quick = dataclasses.replace(lease.Timing(), expiry_s=1.0, poll_s=0.1)
    with Run(tmp_path, flags) as run:
        run.wait_for_save()
        chief = psutil.Process(int(run.wait_for(r"worker:0 runs on host \S+, process (\d+)")[1]))
        os.kill(run._process.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, run._process.pid, os.WSTOPPED)
        with lease.held(run.url, timing=quick) as mine:
            before = checkpoint.newest_valid(run.url).step
            chief.wait(HANG_S)  # at its next save, though nobody told it
            assert checkpoint.newest_step(run.url) in (before, before + 25)
            assert checkpoint.newest_valid(run.url).step == before
            storage.write_json(f"{run.url}/status.json", {"state": "the new owner's"})
            os.kill(run._process.pid, signal.SIGCONT)
            ended = run.end()
            assert run.status() == {"state": "the new owner's"}
            mine.confirm()
    assert ended.code == 1
    assert ended.sentence.startswith(
        f"train: this run has lost --train_dir {run.url} and writes nothing more there: it"
    )
    assert f"was taken over by {mine._mine.process.user} on" in ended.sentence
    assert "Traceback" not in ended.said


def test_the_lease_of_one_that_was_killed_on_another_host_is_taken_over(contender, record_property):
    token, took_s = contender.communicate(timeout=HANG_S)[0].split()
    assert token == "9"
    record_property("reclaimed_from_another_host_s", round(float(took_s), 1))
