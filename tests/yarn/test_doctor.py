"""The doctor on a real YARN: the table of a cluster that can train, and the knob of one that cannot."""

import pytest

from sparkcv import storage
from tests.hadoop.submit import submit

FLAGS = ["--model_name", "cifarnet", "--batch_size", "8", "--num_ps_tasks", "1", "--cluster_size", "3"]


@pytest.mark.hadoop
@pytest.mark.spark
def test_on_yarn_every_executor_is_examined_with_its_hdfs_and_nothing_is_left(hadoop_cluster, hdfs):
    shard = storage.join(hdfs, "kept", "file")
    storage.write_bytes(shard, b"x")
    done = submit(hadoop_cluster, "jobs/doctor.py", [*FLAGS, "--train_dir", f"{hdfs}/kept/run"])
    assert done.exit_code == 0, done.logs()
    assert done.final_status == "SUCCEEDED"
    said = done.logs()
    for row in (
        "slots       application         ok       3 roles, 3 task slots on 3 executors",
        "            executors 1-3       ok       the same",
        "            executors 1-3       ok       list, write, rename, read, delete in",
        "tensorflow  executors 1-3       ok       a role's process loads TensorFlow and computes, in",
        "ports       executors 1-3       ok       listens, reaches the driver and the next executor",
        "            HDFS                warning  hadoop.security.authentication is simple",
        "training can start, with",
    ):
        assert row in said
    assert [entry.name for entry in storage.list_dir(f"{hdfs}/kept")] == ["file"]


@pytest.mark.hadoop
@pytest.mark.spark
def test_what_would_fail_on_yarn_is_told_with_its_knobs_to_the_user_of_client_mode(hadoop_cluster, hdfs):
    flags = ["--model_name", "inception_v3", "--batch_size", "32", "--num_ps_tasks", "1", "--cluster_size", "3"]
    done = submit(
        hadoop_cluster,
        "jobs/doctor.py",
        [*flags, "--train_dir", f"{hdfs}/run", "--noload_tensorflow"],
        deploy_mode="client",
        num_executors=2,
        conf={"spark.executor.memoryOverhead": "400m", "spark.executor.memory": "512m"},
    )
    assert done.exit_code == 1
    assert done.final_status == "FAILED"
    assert "3 roles need 3 task slots at once, but the Spark application asked for 2" in done.output
    assert "submit with --num-executors 3" in " ".join(done.output.split())
    assert "it will be killed" in " ".join(done.output.split())
    last = next(line for line in done.output.splitlines() if line.startswith("doctor.py: "))
    assert last.startswith("doctor.py: training would fail (slots, application)")
    assert "and 1 more" in last
