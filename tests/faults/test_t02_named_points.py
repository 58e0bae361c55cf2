"""T2: whichever role is killed, and when, success is claimed for nothing less than a whole checkpoint at the target.

The points in the export are those of test_final_export.py.
"""

import os
import signal

import pytest

from sparkcv.rundir import checkpoint
from tests.faults import oracles, points
from tests.faults.running import Run

pytestmark = pytest.mark.tensorflow


@pytest.mark.parametrize(
    ("role", "point"),
    [("ps:0", points.after_register), ("worker:0", points.mid_save), ("worker:0", points.after_last_step)],
)
def test_without_restarts_a_killed_role_is_no_success(flags, tmp_path, role, point):
    """The mechanism off, by its own flags."""
    num_ps = 1 if role == "ps:0" else 0
    flags |= {"num_ps_tasks": num_ps, "cluster_size": num_ps + 1, "max_restarts": 0, "max_generations": 0}
    with Run(tmp_path, {**flags, "max_number_of_steps": 60}) as run:
        victim = run.wait_for_role(role)
        point(run, role)
        os.kill(victim.pid, signal.SIGKILL)
        ended = run.end()
    assert ended.code == 1, ended.said
    assert f"{role} was killed by signal 9 (SIGKILL)" in ended.sentence
    oracles.check_told_truly(run, ended)
    oracles.check_nothing_left(run)
    if point is points.mid_save:
        assert f".saving-{checkpoint.newest_step(run.url) + 25}" in os.listdir(run.url)


def test_with_restarts_killed_roles_cost_nothing_but_time(flags, tmp_path):
    flags |= {"cluster_size": 2, "max_number_of_steps": 60}
    with Run(tmp_path, flags) as run:
        points.after_register(run, "ps:0")
        since = run.kill("ps:0")
        run.wait_for_first_step("worker:0", since)
        victim = run.wait_for_role("worker:0")
        points.after_last_step(run, "worker:0")
        victim.kill()
        run.wait_for("worker:0 was killed by signal 9")
        ended = run.end()
    assert ended.code == 0, ended.said
    oracles.check_end(run, ended)
