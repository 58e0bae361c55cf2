"""Runs of roles on real Spark executors: the faults that only a cluster manager can have."""

import os
import signal
from pathlib import Path

import psutil
import pytest

from sparkcv.cluster.observer import RunObserver
from sparkcv.cluster.run_spec import RunSpec
from sparkcv.cluster.supervisor import run
from sparkcv.errors import ClusterError, RoleFailedError
from sparkcv.roles import Role, roles
from tests.hadoop import wait_until

ECHO, VICTIM = "cluster_programs:echo", "cluster_programs:victim"
pytestmark = pytest.mark.spark


class Statuses(RunObserver):
    """Keeps what each role reports, and acts on a role's first report."""

    def __init__(self, role="", act=None):
        self.seen, self._role, self._act = [], role, act

    def on_status(self, role, status):
        self.seen.append((str(role), status))
        if str(role) == self._role:
            self._act(status)

    def assert_nothing_is_left(self):
        for _, status in self.seen:
            assert not psutil.pid_exists(status["pid"])
            assert not Path(status["scratch"]).exists()


def test_a_ps_and_two_workers_run_to_their_end(barrier_spark):
    statuses = Statuses()
    results = run(barrier_spark, RunSpec(ECHO, roles(1, 2), {"a": 1}), statuses)
    assert results["ps:0"] == {"was_stopped": True}
    assert results["worker:0"]["cluster"] == results["worker:1"]["cluster"]
    assert all(address.startswith("127.0.0.1:") for address in results["worker:0"]["cluster"]["worker"])
    statuses.assert_nothing_is_left()


def test_a_run_after_a_failed_run_is_as_good_as_the_first(barrier_spark):
    statuses = Statuses()
    with pytest.raises(RoleFailedError, match="worker:1 was killed by signal 9") as caught:
        run(barrier_spark, RunSpec(VICTIM, roles(1, 2), {"role": "worker:1", "deed": "sigkill"}), statuses)
    assert "Spark executor" in str(caught.value)
    statuses.assert_nothing_is_left()
    assert len(run(barrier_spark, RunSpec(ECHO, roles(1, 2), {}))) == 3


def test_a_killed_executor_is_a_lost_role_told_in_sparks_words_and_not_tried_again(barrier_spark):
    def kill_executor(status):
        os.kill(psutil.Process(status["agent"]).parent().ppid(), signal.SIGKILL)

    statuses = Statuses("worker:1", kill_executor)
    with pytest.raises(RoleFailedError) as caught:
        run(barrier_spark, RunSpec(VICTIM, roles(1, 2), {"role": "worker:1", "deed": "wait"}), statuses)
    first_line = str(caught.value).split("\n")[0]
    assert first_line.startswith("worker:1 was lost with its Spark executor on 127.0.0.1: ")
    assert "137" in first_line
    assert "out of memory" in str(caught.value)
    assert len({status["pid"] for _, status in statuses.seen}) == len({role for role, _ in statuses.seen})
    # The lost executor's own agent is gone: what its reaper ends, it ends in its own time.
    pids = {status["pid"] for _, status in statuses.seen}
    wait_until(lambda: not any(map(psutil.pid_exists, pids)), "the lost executor's role to be ended", 30)


def test_a_killed_task_is_a_lost_role(barrier_spark):
    statuses = Statuses("worker:0", lambda status: os.kill(status["agent"], signal.SIGKILL))
    with pytest.raises(RoleFailedError, match=r"^worker:0 was lost: its agent, the Spark task's Python process"):
        run(barrier_spark, RunSpec(VICTIM, roles(0, 2), {"role": "worker:1", "deed": "wait"}), statuses)
    run(barrier_spark, RunSpec(ECHO, roles(1, 2), {}))  # its agents sweep up after the killed one
    statuses.assert_nothing_is_left()


def test_more_roles_than_executors_are_refused_at_once_with_both_numbers(barrier_spark):
    with pytest.raises(ClusterError, match=r"4 roles need 4 task slots .* asked for 3.*--num-executors 4"):
        run(barrier_spark, RunSpec(ECHO, roles(2, 2), {}))


def test_a_single_role_needs_no_ps(barrier_spark):
    assert run(barrier_spark, RunSpec("cluster_programs:deaf_ps", (Role("exporter", 0),), {})) == {
        "exporter:0": {"done": True}
    }
