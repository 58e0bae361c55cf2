"""T5: an executor's JVM is killed on a real Spark: all roles start anew on other executors, at other addresses.

The same run has an evaluator and an export. That an agent of the old generation is refused, by its secret and by its
number, is held in tests/cluster.
"""

import re
import threading

import psutil
import pytest

from sparkcv import config as configs
from sparkcv import storage
from sparkcv.cluster.recovery import RestartPolicy
from sparkcv.cluster.run_spec import RunSpec
from sparkcv.cluster.supervisor import run
from sparkcv.config import TrainConfig
from sparkcv.driver import train
from sparkcv.errors import RoleFailedError
from sparkcv.predict import manifest as manifests
from sparkcv.roles import roles
from sparkcv.rundir import checkpoint
from tests.contracts.callbacks import Callbacks
from tests.faults.running import FLAGS, HANG_S, executor_of, node_processes
from tests.hadoop import wait_until

pytestmark = [pytest.mark.spark, pytest.mark.tensorflow]


def test_a_killed_executor_makes_a_new_generation_that_goes_on_is_evaluated_and_exported(spark, flags, tmp_path):
    more = {"num_evaluators": 1, "eval_split_name": "train", "eval_max_images": 8, "export_dir": tmp_path / "model"}
    words = {**FLAGS, **flags, **more, "max_number_of_steps": 200}
    plan = train.prepare(configs.parse(TrainConfig, [f"--{name}={value}" for name, value in words.items()], "train"))
    url, old = plan.config.train_dir, {}

    def kill_executor():
        wait_until(lambda: checkpoint.newest_step(url) > 0, "a checkpoint", HANG_S)
        old.update(node_processes(psutil.Process()))
        executor_of(old["worker:0"]).kill()

    saboteur = threading.Thread(target=kill_executor)
    saboteur.start()
    try:
        report = train.run(spark, plan)
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
    assert status["evaluated"]["step"] == report.step
    assert storage.exists(storage.join(url, "best.json"))
    manifest = manifests.read_manifest(str(tmp_path / "model"))
    manifests.verify(str(tmp_path / "model"), manifest)
    assert (manifest.step, manifest.run) == (report.step, f"{url}/model.ckpt-{report.step}")
    assert f"of digest {manifest.digest[:16]}, read back, and it scores" in report.export


def test_without_generations_the_first_lost_executor_ends_the_run(spark):
    """The mechanism off: what may be started again in place is no help."""
    killed = []

    def kill_executor(role, status):
        if not killed:
            killed.append(executor_of(node_processes(psutil.Process())[str(role)]))
            killed[0].kill()

    with pytest.raises(RoleFailedError, match=r"worker:0 was lost with its Spark executor"):
        run(
            spark,
            RunSpec(
                "tests.faults.stepping:main", roles(1, 1), {}, policy=RestartPolicy(max_restarts=5, max_generations=0)
            ),
            Callbacks(on_status=kill_executor),
        )
