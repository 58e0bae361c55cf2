"""The lease on a real HDFS: two processes that take a folder within half a second, kills, and a take-over."""

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sparkcv import storage
from sparkcv.errors import LeaseError
from sparkcv.rundir import lease, lease_file
from sparkcv.rundir.process import Process

pytestmark = pytest.mark.hadoop

ROOT = Path(__file__).resolve().parents[2]
QUICK = lease.Timing(renew_s=0.2, expiry_s=1.0, poll_s=0.1)

TAKER = """
import sys
from sparkcv.errors import LeaseError
from sparkcv.rundir import lease
try:
    with lease.held(sys.argv[1]) as mine:
        print(mine.token, flush=True)
        sys.stdin.read()
except LeaseError as err:
    print(err, flush=True)
"""


def taker(run_url):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, "-c", TAKER, run_url], cwd=ROOT, **pipes)


def test_of_two_who_take_a_folder_one_gets_it_and_a_killed_one_is_followed(hdfs):
    run_url, delays = f"{hdfs}/run", random.Random(15)
    for token in (1, 2, 3):
        with taker(run_url) as first:
            time.sleep(delays.uniform(0, 0.3))  # the fault itself
            with taker(run_url) as second:
                said = [one.stdout.readline().strip() for one in (first, second)]
                assert str(token) in said
                winner, loser = (first, second) if said[0] == str(token) else (second, first)
                assert f"is held by {lease_file.newest(run_url).process.user} on " in " ".join(said)
                assert f"(process {winner.pid})" in " ".join(said)
                loser.communicate(timeout=300)
                winner.kill()
                winner.wait(60)


def test_a_lease_is_renewed_taken_over_noticed_and_released(hdfs):
    run_url = f"{hdfs}/run"
    killed = lease_file.Holder(4, "f" * 32, Process("h", "alice", 1, "another boot", "1"), "", True, 1, 1.0, 1.0)
    storage.write_bytes(lease_file.url_of(run_url, 4), killed.to_bytes())
    with lease.held(run_url, timing=QUICK) as mine:
        assert mine.token == 5
        before = lease_file.newest(run_url).beat
        mine.confirm()
        assert lease_file.newest(run_url).beat > before
        storage.write_bytes(lease_file.url_of(run_url, 6), killed.to_bytes().replace(b'"token": 4', b'"token": 6'))
        with pytest.raises(LeaseError, match="taken over by alice on h"):
            mine.confirm()
    assert [entry.name for entry in storage.list_dir(run_url)] == ["run.lock.5", "run.lock.6"]
    with lease.held(run_url, timing=QUICK):
        pass
    assert [entry.name for entry in storage.list_dir(run_url)] == ["run.lock.7"]
    assert not lease_file.newest(run_url).is_held
