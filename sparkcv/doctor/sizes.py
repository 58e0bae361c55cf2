"""The size of an executor's container, at which the cluster manager kills it."""

import math

from sparkcv.doctor.facts import Spark
from sparkcv.spark.memory import executor_memory, megabytes

__all__ = ["container_mb"]


def container_mb(spark: Spark) -> int:
    """Return the MiB at which an executor with all its processes is killed.

    YARN gives whole multiples of its smallest container; the client's configuration may not tell its true size.
    """
    conf, given = spark.conf, executor_memory(spark.conf)
    total = given.heap_mb + given.overhead_mb + megabytes(conf.get("spark.executor.pyspark.memory", "0"))
    if spark.is_on("spark.memory.offHeap.enabled"):
        total += megabytes(conf.get("spark.memory.offHeap.size", "0"), "b")
    least = spark.limits_mb[0] if spark.is_yarn else 0
    return math.ceil(total / least) * least if least else total
