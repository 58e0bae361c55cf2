"""A folder of pictures on a real HDFS, stylized by executors of a real YARN."""

import sys

import pytest

from sparkcv import storage
from sparkcv.style import transformer_weights
from sparkcv.style.transformer_spec import TransformerSpec
from tests.hadoop.submit import start_submit
from tests.style.conftest import random_weights


@pytest.mark.hadoop
@pytest.mark.tensorflow
def test_a_folder_on_hdfs_is_stylized_on_yarn(hadoop_cluster, hdfs, encoded):
    weights = random_weights(TransformerSpec("resize", "reflect", (2, 3, 4), num_blocks=1))
    storage.write_bytes(f"{hdfs}/style/transformer.npz", transformer_weights.dump(weights))
    for name in ("a.png", "deep/b.png", "deep/c.png"):
        storage.write_bytes(f"{hdfs}/pictures/{name}", encoded("PNG", size=(33, 17)))
    storage.write_bytes(f"{hdfs}/pictures/text.png", b"no picture but words")
    flags = {"input": f"{hdfs}/pictures", "style": f"{hdfs}/style", "output": f"{hdfs}/styled"}
    running = start_submit(
        hadoop_cluster,
        "jobs/stylize.py",
        [f"--{name}={value}" for name, value in flags.items()],
        num_executors=1,
        conf={"spark.pyspark.python": sys.executable},  # here the nodes have the packages
        timeout_s=420,
    )
    try:
        assert running.exit_code == 0, running.output
    finally:
        running.end()
    assert running.final_status == "SUCCEEDED"
    there = {entry.url.removeprefix(f"{hdfs}/styled/") for entry in storage.walk(f"{hdfs}/styled")}
    assert {name for name in there if name.endswith(".png")} == {"a.png", "deep/b.png", "deep/c.png"}
    assert "_style.json" in there
    assert any(name.startswith("_results/") for name in there)
    assert not any(name.startswith(".staging") for name in there)
