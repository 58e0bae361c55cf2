"""T9: a worker that is ten times slower is told with its rate beside the others', who go on.

That they keep their rate is measured by the soak: on few cores, which others use as well, a test cannot tell.
"""

import re

import pytest

from sparkcv.cluster.recovery import RestartPolicy
from sparkcv.cluster.run_spec import RunSpec
from sparkcv.cluster.supervisor import supervise
from sparkcv.roles import Role, roles
from tests.contracts.callbacks import Callbacks
from tests.contracts.local_launcher import LocalLauncher
from tests.faults.running import ROOT, Run, check_preempted
from tests.faults.slowed import Slowed
from tests.faults.test_t08_stops import pid_of
from tests.inputs import data

STALL_TIMEOUT_S = 14  # what is slow is judged by is a part of it
FACTOR = 10


@pytest.mark.tensorflow
def test_a_slow_worker_is_told_with_its_rate_beside_the_others_and_they_go_on(tmp_path):
    data.write_dataset(tmp_path / "data", data.drawn_shards(2, 24, 32))
    flags = {"dataset_dir": tmp_path / "data", "train_dir": tmp_path / "run", "num_ps_tasks": 1, "cluster_size": 3}
    with Run(tmp_path, flags | {"stall_timeout_s": STALL_TIMEOUT_S}) as run:
        run.wait_for(r"\d+ \+ \d+ images/s")
        with Slowed(pid_of(run, "worker:1"), FACTOR):
            told = run.wait_for(r"worker:1 is slow: (\S+) steps/s, where the others take (\S+) \(median\)")
            assert float(told[1]) < 3 / FACTOR * float(told[2])
            run.wait_for_note("worker:1 is slow: ")
            run.wait_for_save(above=run.highest_step())
        run.wait_for(r"worker:1 keeps pace again: \S+ steps/s")
        run.wait_for_note(None)
        assert run.status()["restarts"] == 0
        assert len(re.findall("is slow", run.said)) == 1
        check_preempted(run)
    assert "is stalled" not in run.said


class Enough(Exception):
    """Ends a run from its driver."""


@pytest.mark.parametrize("stall_timeout_s", [2.0, 0.0])
def test_whose_pace_is_not_looked_at_is_not_told(stall_timeout_s):
    """The mechanism on, and off: workers of a light program, of which one takes ten times as long for each step."""
    told = []

    def on_slow(stragglers):
        told.extend(stragglers)
        raise Enough

    def on_status(role, status):
        if role == Role("worker", 1) and status["own_steps"] >= 30:
            raise Enough

    with pytest.raises(Enough):
        supervise(
            LocalLauncher(2, [str(ROOT)]),
            RunSpec(
                "tests.faults.stepping:main",
                roles(0, 2),
                {"pause_s": {"worker:0": 0.03, "worker:1": 0.03 * FACTOR}},
                policy=RestartPolicy(stall_timeout_s=stall_timeout_s),
            ),
            Callbacks(on_slow=on_slow, on_status=on_status),
        )
    assert [one.role for one in told] == ([Role("worker", 1)] if stall_timeout_s else [])
