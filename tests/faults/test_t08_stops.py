"""T8: a role that is stopped for a while costs nothing; one that is stopped for ever is told and started again."""

import os
import re
import signal
import time

import pytest

from tests.faults.running import Run, check_preempted
from tests.inputs import data

pytestmark = pytest.mark.tensorflow

STALL_TIMEOUT_S = 6
SHORT_S = 2  # as 20 s are to the 40 s that --stall_timeout_s is by itself


@pytest.fixture
def flags(tmp_path):
    data.write_dataset(tmp_path / "data", data.drawn_shards(2, 24, 32))
    return {
        "dataset_dir": tmp_path / "data",
        "train_dir": tmp_path / "run",
        "num_ps_tasks": 1,
        "cluster_size": 3,
        "stall_timeout_s": STALL_TIMEOUT_S,
    }


def pid_of(run, role):
    """The process of the newest life of a role."""
    return int(re.findall(rf"{role} runs on host \S+, process (\d+)", run.said)[-1])


def stop_for_ever(run, role):
    """Stop a role, and hold what is said of that; returns what the run said since."""
    before = len(run.said)
    os.kill(pid_of(run, role), signal.SIGSTOP)
    run.wait_for(rf"warning {role} is stalled: its process has been stopped for \d+ s", since=before)
    run.wait_for(rf"{role} runs on host", since=before)
    return check_stall_report(run.said[before:], role)


def check_stall_report(said, role):
    """Hold a report to its parts; returns it with its lines as they were."""
    said = re.sub(r"\n\S+ driver warning ", "\n", said)
    assert "  state: stopped (SIGSTOP or a debugger)" in said
    assert "  probable cause: its process is stopped" in said
    assert f"  stacks of {role} (most recent call first):\n    main thread:\n" in said
    return said


def test_a_stop_for_a_while_is_no_stall_and_one_for_ever_is_told_and_mended_in_place(flags, tmp_path):
    with Run(tmp_path, flags) as run:
        run.wait_for(r"\d+ \+ \d+ images/s")  # both workers have a pace
        for role in ("worker:1", "ps:0", "worker:0"):
            os.kill(pid_of(run, role), signal.SIGSTOP)
            time.sleep(SHORT_S)  # the fault itself
            os.kill(pid_of(run, role), signal.SIGCONT)
        run.wait_for_save(above=run.highest_step())
        assert "is stalled" not in run.said
        assert run.status()["restarts"] == 0

        survivor = pid_of(run, "worker:1")
        said = stop_for_ever(run, "worker:0")  # the chief
        assert "starting worker:0 in place" in said
        run.wait_for_save(above=max(run.saved()))
        assert pid_of(run, "worker:1") == survivor
        said = stop_for_ever(run, "ps:0")
        assert "starting ps:0, worker:0, worker:1 in place" in said
        assert "_serve (" in said
        run.wait_for_save(above=max(run.saved()))
        assert run.status()["restarts"] == 2
        check_preempted(run)
