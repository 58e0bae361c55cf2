"""Workers in lockstep beyond those whose gradients make a step are backups: nobody waits for them."""

import pytest
import tensorflow.compat.v1 as tf

from sparkcv.rundir import checkpoint
from tests.faults import oracles
from tests.faults.running import Run, check_preempted

pytestmark = pytest.mark.tensorflow
# Two ps share LeNet's one large variable, each worker has two towers, and bfloat16 is on the wire.
WAYS = {
    "sync_replicas": True,
    "replicas_to_aggregate": 2,
    "num_ps_tasks": 2,
    "cluster_size": 5,
    "num_clones": 2,
    "clone_on_cpu": True,
    "wire_dtype": "bfloat16",
    "optimizer": "momentum",
    "stall_timeout_s": 0,
}


def test_a_worker_that_stands_still_holds_up_nobody_and_joins_in_again(flags, tmp_path):
    with Run(tmp_path, {**flags, **WAYS}) as run:
        for worker in ("worker:1", "worker:2"):
            run.wait_for_first_step(worker)
        backup = run.wait_for_role("worker:2")
        backup.suspend()
        try:
            run.wait_for_save(above=run.highest_step() + 25)  # of steps after it stood still
        finally:
            backup.resume()
        run.wait_for_save(above=run.highest_step())
        assert run.wait_for_role("worker:2") == backup
        check_preempted(run)
    assert run.status()["restarts"] == 0
    oracles.check_nothing_left(run)
    reader = tf.train.load_checkpoint(checkpoint.newest_valid(run.url).prefix_url)
    shapes = reader.get_variable_to_shape_map()
    assert shapes["LeNet/fc3/weights"] == shapes["LeNet/fc3/weights/Momentum"] == [576, 1024]
    assert not [name for name in shapes if "part_" in name]
