"""What a node process started is found by its mark, and ended also where the agent was killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from sparkcv.cluster.process_tree import MARK, has_mark, kill_tree
from sparkcv.cluster.reaper import running_reaper

PATIENCE_S = 300

# Its child, and a daemon outside of its session; each says its number in one write: the two share a pipe, and with
# PYTHONUNBUFFERED print writes text and end of line one after the other.
FORKER = """
import os, time
for steps in ((), (os.setsid,)):
    if not os.fork():
        if steps and os.fork():
            os._exit(0)
        [step() for step in steps]
        os.write(1, b"%d\\n" % os.getpid())
        time.sleep(120)
        os._exit(0)
time.sleep(120)
"""

AGENT = """
import os, subprocess, sys, time
from sparkcv.cluster.reaper import running_reaper
from sparkcv.cluster.process_tree import MARK
from sparkcv.spark.scratch import scratch_dir
root, marked = sys.argv[1:]
with running_reaper(root) as mark, scratch_dir(root) as folder:
    print(folder, flush=True)
    env = os.environ | ({MARK: mark} if marked == "marked" else {})
    subprocess.Popen([sys.executable, "-c", FORKER], env=env)
    time.sleep(120)
""".replace("FORKER", repr(FORKER))


def is_alive(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_until(check):
    deadline = time.monotonic() + PATIENCE_S
    while not check():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def forker():
    """A marked process, and the numbers of all that it started."""
    with subprocess.Popen(
        [sys.executable, "-c", FORKER], env=os.environ | {MARK: "the-mark"}, stdout=subprocess.PIPE, text=True
    ) as process:
        pids = [process.pid, *(int(process.stdout.readline()) for _ in range(2))]
        yield process, pids
        for pid in pids:
            if is_alive(pid):
                os.kill(pid, signal.SIGKILL)


def test_all_that_carry_the_mark_are_ended_and_nobody_else(forker):
    process, pids = forker
    assert all(has_mark(pid, "the-mark") for pid in pids)
    assert kill_tree("another-mark")
    assert all(map(is_alive, pids))
    assert kill_tree("the-mark")
    process.wait(PATIENCE_S)
    assert not any(map(is_alive, pids))
    assert not any(has_mark(pid, "the-mark") for pid in pids)


def test_a_process_group_does_not_hold_a_daemon(forker):
    """The mechanism switched off: what a kill of the group alone leaves."""
    process, pids = forker
    assert {os.getpgid(pid) == os.getpgid(process.pid) for pid in pids[1:]} == {True, False}


def test_the_mark_of_another_users_process_is_not_asked_for():
    assert not has_mark(1, "the-mark")
    assert not has_mark(2**22 + 1, "the-mark")


@pytest.mark.parametrize("marked", ["marked", "unmarked"])
def test_a_killed_agents_reaper_ends_what_carries_its_mark_sweeps_its_folder_and_goes(tmp_path, marked):
    env = os.environ | {"PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}
    with subprocess.Popen(
        [sys.executable, "-c", AGENT, str(tmp_path), marked], stdout=subprocess.PIPE, text=True, env=env
    ) as agent:
        folder, *pids = [agent.stdout.readline().strip() for _ in range(3)]
        children = {"sparkcv.cluster.reaper" in one.cmdline(): one for one in psutil.Process(agent.pid).children()}
        pids, reaper = [children[False].pid, *map(int, pids)], children[True]
        agent.kill()
    wait_until(lambda: not is_alive(reaper.pid))
    assert not Path(folder).exists()
    assert [is_alive(pid) for pid in pids] == [marked != "marked"] * 3
    for pid in pids:
        if is_alive(pid):
            os.kill(pid, signal.SIGKILL)


def test_a_reaper_goes_with_an_agent_that_ends_well(tmp_path):
    before = {child.pid for child in psutil.Process().children()}
    with running_reaper(str(tmp_path)) as mark:
        (reaper,) = [child for child in psutil.Process().children() if child.pid not in before]
        assert not has_mark(reaper.pid, mark)
        assert not has_mark(os.getpid(), mark)
    assert not is_alive(reaper.pid)
