"""A folder on a real HDFS whose run is killed: the next one makes what is missing, and touches nothing else."""

import contextlib
import io
import os
import pathlib
import signal
import subprocess
import sys
import time

import psutil
import pyarrow.parquet as pq
import pytest

from sparkcv import storage
from sparkcv.style import transformer_weights
from sparkcv.style.transformer_spec import TransformerSpec
from tests.style.conftest import random_weights

ROOT = pathlib.Path(__file__).resolve().parents[2]
LIMIT_S = 300


def start(hdfs, tmp_path):
    flags = {"input": f"{hdfs}/pictures", "style": f"{hdfs}/style", "output": f"{hdfs}/out", "num_partitions": 6}
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("SPARK", "PYSPARK"))}
    return subprocess.Popen(
        [sys.executable, str(ROOT / "jobs" / "stylize.py"), *(f"--{name}={value}" for name, value in flags.items())],
        env={**environment, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )


def made(hdfs):
    """Return the names of the pictures that are in the output folder."""
    found = storage.list_dir(f"{hdfs}/out") if storage.is_dir(f"{hdfs}/out") else []
    return {entry.name for entry in found if entry.name.endswith(".png")}


@pytest.mark.hadoop
@pytest.mark.tensorflow
def test_a_driver_that_is_killed_is_followed_by_one_that_makes_the_rest_once(hdfs, tmp_path, encoded):
    weights = random_weights(TransformerSpec("resize", "reflect", (2, 3, 4), num_blocks=1))
    storage.write_bytes(f"{hdfs}/style/transformer.npz", transformer_weights.dump(weights))
    names = [f"{number}.png" for number in range(12)]
    for name in names:
        storage.write_bytes(f"{hdfs}/pictures/{name}", encoded("PNG", size=(400, 300)))
    storage.write_bytes(f"{hdfs}/pictures/text.png", b"no picture but words")
    first = start(hdfs, tmp_path)
    deadline = time.monotonic() + LIMIT_S
    while not made(hdfs):
        assert first.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    others = psutil.Process(first.pid).children(recursive=True)
    first.send_signal(signal.SIGKILL)
    first.communicate(timeout=LIMIT_S)
    _, left = psutil.wait_procs(others, timeout=300)
    for orphan in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            orphan.kill()
    there = made(hdfs)
    for name in there:
        storage.write_bytes(f"{hdfs}/out/{name}", b"by the first run")
    second = start(hdfs, tmp_path)
    said, _ = second.communicate(timeout=LIMIT_S)
    assert second.returncode == 0, said
    assert "pictures     12 made, 1 rejected" in said
    assert f"earlier      {len(there)} of them were there already" in said
    assert made(hdfs) == set(names)
    kept = {name for name in names if storage.read_bytes(f"{hdfs}/out/{name}") == b"by the first run"}
    assert kept == there
    parts = [entry.url for entry in storage.walk(f"{hdfs}/out/_results") if entry.url.endswith(".parquet")]
    rows = [row for url in parts for row in pq.read_table(io.BytesIO(storage.read_bytes(url))).to_pylist()]
    assert sorted(row["id"] for row in rows) == sorted([*names, "text.png"])
    assert [row["id"] for row in rows if row["reason"]] == ["text.png"]
    assert not [entry for entry in storage.walk(f"{hdfs}/out") if "staging" in entry.url]
