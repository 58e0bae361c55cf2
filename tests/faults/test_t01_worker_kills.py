"""T1: killed workers are started again in place, and nobody's work is lost; many kills, at random, in the soak."""

import pytest

from tests.faults import oracles
from tests.faults.running import Run, check_preempted

pytestmark = pytest.mark.tensorflow
IN_STEP = {"sync_replicas": True, "replicas_to_aggregate": 2}


def test_a_killed_worker_comes_back_while_the_other_goes_on(flags, tmp_path):
    with Run(tmp_path, flags) as run:
        run.wait_for_first_step("worker:1")
        run.wait_for_save(above=run.highest_step())
        survivor = run.wait_for_role("worker:0")
        since = run.kill("worker:1")
        run.wait_for(r"worker:1 was killed by signal 9 \(SIGKILL\)", since)
        run.wait_for(r"starting worker:1 in place in", since)
        assert run.wait_for_first_step("worker:1", since) > 1
        assert run.wait_for_role("worker:0") == survivor
        step = check_preempted(run)
    assert step >= run.highest_step()
    assert run.status()["restarts"] == 1
    assert "worker:1 was killed by signal 9" in run.status()["last_restart"]["reason"]
    oracles.check_never_back(run)
    oracles.check_nothing_left(run)


def test_in_lockstep_one_killed_worker_takes_all_back_to_the_checkpoint(flags, tmp_path):
    with Run(tmp_path, {**flags, **IN_STEP}) as run:
        run.wait_for_save()
        highest, since = run.highest_step(), run.kill("worker:1")
        run.wait_for(r"starting ps:0, worker:0, worker:1 in place in", since)
        run.wait_for_first_step("worker:0", since)
        oracles.check_rollback(run, since, highest, num_workers=2)
        run.wait_for_save(above=run.saved()[-1])
        check_preempted(run)
    oracles.check_nothing_left(run)
