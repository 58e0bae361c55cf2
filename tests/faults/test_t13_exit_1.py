"""T13: a worker that leaves with exit code 1 at step 10, always: the budget ends it; the first error is read last.

Without a budget, the mechanism off, there is one life and one error: tests/cluster/test_recovery.py.
"""

import pytest

from sparkcv import config as configs
from sparkcv.cluster.recovery import RestartPolicy
from sparkcv.cluster.run_spec import RunSpec
from sparkcv.cluster.supervisor import supervise
from sparkcv.config import TrainConfig
from sparkcv.driver import train
from sparkcv.errors import RoleFailedError
from sparkcv.roles import roles
from tests.contracts.callbacks import Callbacks
from tests.contracts.local_launcher import LocalLauncher
from tests.faults.running import FLAGS, ROOT

pytestmark = pytest.mark.tensorflow


def test_a_worker_that_always_leaves_ends_the_run(flags):
    words = {**FLAGS, **flags, "num_ps_tasks": 0, "cluster_size": 1, "save_interval_steps": 4}
    plan = train.prepare(configs.parse(TrainConfig, [f"--{name}={value}" for name, value in words.items()], "train"))
    params = {"config": configs.to_dict(plan.config), "dataset": plan.dataset.to_dict()}
    told = []
    with pytest.raises(RoleFailedError) as caught:
        supervise(
            LocalLauncher(1, [str(ROOT)]),
            RunSpec("tests.faults.quitter:main", roles(0, 1), params, policy=RestartPolicy(max_restarts=1)),
            Callbacks(on_restart=told.append),
        )
    first_line, *rest = str(caught.value).split("\n")
    assert first_line.startswith("worker:0 ended with exit code 1")
    assert len(told) == 1
    assert "not started again after 1 restarts in an hour" in first_line
    assert "life 0 leaves" in "\n".join(rest)
    assert "life 1 leaves" not in "\n".join(rest)
