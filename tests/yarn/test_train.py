"""Real training on YARN and HDFS: its ApplicationMaster is killed, and the second attempt goes on from a checkpoint."""

import re
import sys

import pytest

from sparkcv import storage
from tests.faults.conftest import put_dataset
from tests.hadoop import wait_until
from tests.hadoop.submit import ROOT, start_submit
from tests.yarn.roles import assert_nothing_is_left, driver_log, kill, master_process

TARGET = 600
FLAGS = {
    "dataset_name": "shapes",
    "model_name": "lenet",
    "train_image_size": 12,
    "batch_size": 4,
    "optimizer": "sgd",
    "learning_rate": 0.001,
    "max_number_of_steps": TARGET,
    "save_interval_steps": 25,
    "num_ps_tasks": 1,
    "num_gpus": 0,
}


@pytest.mark.hadoop
@pytest.mark.tensorflow
def test_a_killed_application_master_resumes_from_the_newest_checkpoint_and_succeeds(hadoop_cluster, hdfs, tmp_path):
    train_dir = f"{hdfs}/run"
    flags = FLAGS | {"dataset_dir": put_dataset(tmp_path, f"{hdfs}/data"), "train_dir": train_dir}
    options = ["--properties-file", str(ROOT / "conf" / "spark-yarn.conf"), "--load-spark-defaults"]
    running = start_submit(
        hadoop_cluster,
        "jobs/train_image_classifier.py",
        [f"--{name}={value}" for name, value in flags.items()],
        options=options,
        conf={"spark.pyspark.python": sys.executable},  # here the nodes have the packages
        timeout_s=900,
    )
    try:
        wait_until(lambda: newest_step(train_dir) >= 25, "a checkpoint", 300)
        kill(master_process(running))
        assert running.exit_code == 0, driver_log(running, attempt=2)
    finally:
        running.end()
    assert (running.final_status, running.diagnostics) == ("SUCCEEDED", "")
    assert TARGET <= newest_step(train_dir) <= TARGET + 2
    assert storage.read_json(f"{train_dir}/run.json")["resumed_from_step"] >= 25
    said = driver_log(running, attempt=2)
    assert re.search(r"asking for executors with spark\.executor\.memoryOverhead=\d+m, as it is not set", said)
    assert re.search(rf"trained to step {newest_step(train_dir)}: .*read back and whole", said)
    assert_nothing_is_left(running)


def newest_step(train_dir: str) -> int:
    """The step of the newest checkpoint that has its manifest; 0 without one."""
    if not storage.exists(train_dir):
        return 0
    names = [entry.name for entry in storage.list_dir(train_dir)]
    return max(
        (int(found[1]) for name in names if (found := re.fullmatch(r"model\.ckpt-(\d+)\.json", name))), default=0
    )
