"""Sizes as Spark's properties spell them, and what an executor's container holds by them."""

import math
import re

from sparkcv.doctor.facts import Spark

__all__ = ["container_mb", "heap_mb", "megabytes", "overhead_mb"]

_SIZE = re.compile(r"\s*(\d+)\s*(b|[kmgtp]b?|)\s*", re.IGNORECASE)
_BYTES = {"b": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40, "p": 2**50}


def megabytes(text: str, unit: str = "m") -> int:
    """Return the MiB of a size such as ``2g``; a bare number counts in ``unit``. What Spark would refuse is 0."""
    match = _SIZE.fullmatch(text)
    if match is None:
        return 0
    return int(match[1]) * _BYTES[(match[2] or unit)[0].lower()] // 2**20


def overhead_mb(spark: Spark) -> int:
    """Return the MiB of an executor's container beside the heap: as set, else Spark's share of the heap."""
    conf = spark.conf
    if "spark.executor.memoryOverhead" in conf:
        return megabytes(conf["spark.executor.memoryOverhead"])
    share = float(conf.get("spark.executor.memoryOverheadFactor", "0.1"))
    return max(megabytes(conf.get("spark.executor.minMemoryOverhead", "384m")), int(share * heap_mb(spark)))


def container_mb(spark: Spark) -> int:
    """Return the MiB at which an executor with all its processes is killed.

    YARN gives whole multiples of its smallest container; the client's configuration may not tell its true size.
    """
    conf = spark.conf
    total = heap_mb(spark) + overhead_mb(spark) + megabytes(conf.get("spark.executor.pyspark.memory", "0"))
    if spark.is_on("spark.memory.offHeap.enabled"):
        total += megabytes(conf.get("spark.memory.offHeap.size", "0"), "b")
    least = spark.limits_mb[0] if spark.is_yarn else 0
    return math.ceil(total / least) * least if least else total


def heap_mb(spark: Spark) -> int:
    """Return the MiB of an executor's Java heap."""
    return megabytes(spark.conf.get("spark.executor.memory", "1g"))
