"""T14: a SIGTERM, to whichever process of a run, saves and ends it as preempted; the same command goes on.

Here to an agent and to all processes at once; most other tests of faults end their run by one to the chief's.
"""

import os
import signal

import pytest

from sparkcv.rundir import checkpoint
from tests.faults import oracles
from tests.faults.running import Run

pytestmark = pytest.mark.tensorflow


def agent(run):
    return [run.wait_for_role("worker:0").ppid()]


def everybody(run):
    return [process.pid for process in run.processes()]


@pytest.mark.parametrize("told", [agent, everybody])
def test_a_sigterm_saves_and_the_run_resumes(flags, tmp_path, told):
    num_ps = 1 if told is everybody else 0
    flags |= {"num_ps_tasks": num_ps, "cluster_size": num_ps + 1}
    with Run(tmp_path, flags) as run:
        run.wait_for_save()
        for pid in told(run):
            os.kill(pid, signal.SIGTERM)
        ended = run.end()
    assert ended.code == 75, ended.said
    oracles.check_end(run, ended)
    step = checkpoint.newest_valid(run.url).step
    assert step >= run.highest_step()
    if told is not everybody:
        return
    with Run(tmp_path, {**flags, "max_number_of_steps": step + 10}) as run:
        ended = run.end()
    assert ended.code == 0, ended.said
    assert f"resuming from {run.url}/model.ckpt-{step}" in run.said
    oracles.check_end(run, ended)
