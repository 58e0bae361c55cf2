"""T5: an executor's JVM is killed on a real Spark: all roles start anew on other executors, at other addresses.

That an agent of the old generation is refused, by its secret and by its number, is held in tests/cluster; that without
--max_generations the first loss ends the run in tests/cluster/test_supervisor_spark.py.
"""

import os
import re
import signal
import threading

import psutil
import pytest

from sparkcv import config as configs
from sparkcv import storage
from sparkcv.config import TrainConfig
from sparkcv.driver import train
from sparkcv.train import checkpoint
from tests.faults.running import FLAGS, HANG_S, node_processes
from tests.hadoop import wait_until

pytestmark = [pytest.mark.spark, pytest.mark.tensorflow]


def test_a_killed_executor_makes_a_new_generation_that_goes_on(spark, flags):
    words = {**FLAGS, **flags, "cluster_size": 2, "max_number_of_steps": 200}
    plan = train.prepare(configs.parse(TrainConfig, [f"--{name}={value}" for name, value in words.items()], "train"))
    url, old = plan.config.train_dir, {}

    def kill_executor():
        wait_until(lambda: checkpoint.newest_step(url) > 0, "a checkpoint", HANG_S)
        old.update(node_processes(psutil.Process()))
        java = next(one for one in old["worker:0"].parents() if one.name() == "java")
        os.kill(java.pid, signal.SIGKILL)

    saboteur = threading.Thread(target=kill_executor)
    saboteur.start()
    try:
        report = train.train(spark, plan)
    finally:
        saboteur.join()
    assert 200 <= report.step <= 201
    assert not any(process.is_running() for process in old.values())
    status = storage.read_json(storage.join(url, "status.json"))
    assert (status["state"], status["restarts"]) == ("finished", 1)
    assert "worker:0 was lost with its Spark executor on" in status["last_restart"]["reason"]
    serving = re.findall(r"serving at grpc://(\S+)", storage.read_text(storage.join(url, "logs", "ps-0.log")))
    assert len(set(serving)) == 2, serving
    assert "resuming from" in storage.read_text(storage.join(url, "logs", "worker-0.log"))
