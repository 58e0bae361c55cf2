"""What the tests of node processes share: to wait for what they do, and an agent that is killed beside them."""

import os
import subprocess
import sys
import time

import psutil

PATIENCE_S = 300


def wait_until(check):
    """Return what ``check()`` gives once that is true; fail if it never is."""
    deadline = time.monotonic() + PATIENCE_S
    while not (found := check()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


def assert_ends_with_its_agent(code, folder):
    """Run ``code`` as an agent, which prints the number of a process that it started, and kill it: both must end."""
    env = os.environ | {"PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}
    with subprocess.Popen(
        [sys.executable, "-c", code, str(folder), str(folder)], stdout=subprocess.PIPE, text=True, env=env
    ) as agent:
        pid = int(agent.stdout.readline())
        assert psutil.pid_exists(pid)
        agent.kill()
    wait_until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
