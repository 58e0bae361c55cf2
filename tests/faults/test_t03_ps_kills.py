"""T3: a killed ps takes the variables along; all roles start again from the newest checkpoint, also out of a save."""

import os
import signal

import pytest

from tests.faults import oracles, points
from tests.faults.running import Run, check_preempted

pytestmark = pytest.mark.tensorflow


def test_a_ps_killed_at_any_time_costs_no_more_than_an_interval(flags, tmp_path):
    with Run(tmp_path, {**flags, "cluster_size": 2}) as run:
        for point in ("between", "in a save"):
            run.wait_for_save(above=run.highest_step())
            victim = run.wait_for_role("ps:0")
            if point == "in a save":
                points.mid_save(run, "ps:0")
            highest, since = run.highest_step(), len(run.said)
            os.kill(victim.pid, signal.SIGKILL)
            run.wait_for(r"ps:0 was killed by signal 9 \(SIGKILL\)", since)
            run.wait_for_first_step("worker:0", since)
            oracles.check_rollback(run, since, highest, num_workers=1)
        run.wait_for_save(above=run.highest_step())
        check_preempted(run)
    assert run.status()["restarts"] == 2
    oracles.check_loss_goes_on(run, since)
    oracles.check_nothing_left(run)
