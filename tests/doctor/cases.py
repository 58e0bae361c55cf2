"""Facts of a run that would start, and ways to spoil them."""

import dataclasses

from sparkcv.config import TrainConfig
from sparkcv.doctor.facts import Facts, Machine, Spark, Step
from sparkcv.doctor.finding import DRIVER, Location
from sparkcv.doctor.machine import PACKAGES
from sparkcv.records.shards import Dataset, Shard

GB = 10**9
VERSIONS = {"sparkcv": "0.1.0", "tensorflow": "2.21.0"} | {name: "1.0" for name in PACKAGES if name != "tensorflow"}
DONE = tuple(Step(name, 0.01) for name in ("list", "write", "rename", "read", "delete"))


def config(**changes) -> TrainConfig:
    """1 ps and 2 workers of Inception v3 at 75 pixels on HDFS."""
    flags = {
        "train_dir": "hdfs://default/run",
        "dataset_dir": "hdfs://default/data",
        "dataset_name": "shapes",
        "model_name": "inception_v3",
        "train_image_size": 75,
        "batch_size": 16,
        "num_ps_tasks": 1,
        "cluster_size": 3,
    }
    return TrainConfig(**{**flags, **changes})


def machine(name: str = "", **changes) -> Machine:
    """The driver, or the executor of that name, with nothing wrong."""
    values = {
        "place": Location(name, f"host-{name}", True) if name else DRIVER,
        "python": "3.11.9",
        "versions": VERSIONS,
        "source": "abc",
        "user": "me",
        "hadoop_conf": "/etc/hadoop",
        "memory_free": 64 * GB,
        "shm_free": 8 * GB,
        "files": DONE,
        "dataset": (Step("read", 0.01),),
    }
    if name:
        values |= {
            "clock_s": 0.01,
            "clock_error_s": 0.002,
            "peer": "host:1",
            "scratch": "/scratch",
            "scratch_disk": "/",
            "scratch_free": 100 * GB,
            "role_seconds": 6.0,
            "role_memory": GB,
        }
    return Machine(**{**values, **changes})


def spark(**changes) -> Spark:
    """An application on YARN: three executors of one slot each, and memory enough."""
    conf = {"spark.executor.memory": "1g", "spark.executor.memoryOverhead": "4g", "spark.authenticate": "true"}
    conf["spark.sparkcv.allowUnauthenticatedGrpc"] = "true"
    values = {
        "master": "yarn",
        "conf": {**conf, **changes.pop("conf", {})},
        "slots_now": 3,
        "slots_most": 3,
        "executors_asked": 3,
        "executors": {name: f"host-{name}" for name in "123"},
        "limits_mb": (128, 16384),
    }
    return Spark(**{**values, **changes})


def dataset(num_bytes: int = 10**8) -> Dataset:
    """A split of two shards."""
    shards = tuple(Shard(f"hdfs://default/data/{at}.tfrecord", 500, num_bytes // 2, None) for at in range(2))
    return Dataset("shapes", "train", "hdfs://default/data", shards, ("a", "b"), 1000, False, "d")


def facts(**changes) -> Facts:
    """A run that would start; ``conf`` are Spark properties, ``flags`` flags, ``executor`` changes executor 2."""
    executors = [machine(name) for name in "123"]
    executors[1] = dataclasses.replace(executors[1], **changes.pop("executor", {}))
    values = {
        "config": config(**changes.pop("flags", {})),
        "spark": spark(conf=changes.pop("conf", {}), **changes.pop("app", {})),
        "driver": machine(),
        "executors": tuple(executors),
        "dataset": dataset(),
        "hadoop": {"hadoop.security.authentication": "simple"},
        "uses_hdfs": True,
    }
    return Facts(**{**values, **changes})
