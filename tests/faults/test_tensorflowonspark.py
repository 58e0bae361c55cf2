"""Training by ``--launcher tensorflowonspark``: on a real Spark, with a worker killed, to a proven end."""

import contextlib
import threading

import psutil
import pytest

from sparkcv import config as configs
from sparkcv import storage
from sparkcv.cluster import standby
from sparkcv.config import TrainConfig
from sparkcv.driver import train
from sparkcv.rundir import checkpoint
from tests.faults.running import FLAGS, HANG_S
from tests.hadoop import wait_until

pytestmark = [pytest.mark.spark, pytest.mark.tensorflow]


def nodes(role):
    """The node process of a role, below this process; none while there is none."""
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            words = process.cmdline()
            is_node = "sparkcv.cluster.node" in words and process.name() != standby.NAME
            if is_node and words[words.index("--role") + 1] == role:
                yield process


def test_our_training_runs_through_stock_tfcluster_and_mends_a_killed_worker(spark, flags):
    words = {**FLAGS, **flags, "max_number_of_steps": 1000, "launcher": "tensorflowonspark"}
    plan = train.prepare(configs.parse(TrainConfig, [f"--{name}={value}" for name, value in words.items()], "train"))
    url, killed = plan.config.train_dir, []

    def kill_worker():
        wait_until(lambda: checkpoint.newest_step(url) > 0, "a checkpoint", HANG_S)
        wait_until(lambda: killed or killed.extend(nodes("worker:1")), "a process of worker:1", HANG_S)
        killed[0].kill()

    saboteur = threading.Thread(target=kill_worker)
    saboteur.start()
    try:
        report = train.run(spark, plan)
    finally:
        saboteur.join()
    assert 1000 <= report.step <= 1002
    assert not killed[0].is_running()
    status = storage.read_json(storage.join(url, "status.json"))
    assert (status["state"], status["restarts"]) == ("finished", 1)
    assert "worker:1 was killed by signal 9 (SIGKILL)" in status["last_restart"]["reason"]
    run = storage.read_json(storage.join(url, "run.json"))
    assert run["config"]["launcher"] == "tensorflowonspark"
    assert spark.range(3).count() == 3  # the session is not TFCluster's to stop
