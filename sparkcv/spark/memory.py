"""What an executor's container was given, what it used when it was killed for that, and what to give it instead."""

import dataclasses
import math
import re
from collections.abc import Mapping

__all__ = [
    "ExecutorMemory",
    "LEAST_JAVA_BYTES",
    "Overrun",
    "executor_memory",
    "megabytes",
    "missing_mb",
    "overhead_for",
    "overrun",
    "wanted_overhead_mb",
]

LEAST_JAVA_BYTES = 250 * 2**20
"""Resident bytes of an executor's Java that has hardly used its heap, and of the Spark task."""

_MB = 2**20
_UNITS = {"B": 1, "KB": 2**10, "MB": 2**20, "GB": 2**30, "TB": 2**40}
_KILLED = re.compile(r"([\d.]+) ?([KMGT]?B) of ([\d.]+) ?([KMGT]?B) physical memory used")
_OOM_KILLED = re.compile(
    r"OOMKilled .*over its memory limit of ([1-9]\d*) MB"
)  # kubernetes/pods.py; what it used is not told
_SPARE = 1.2  # a role that was killed while it grew wants more than it had
_STEP_MB = 128
_MARGIN = 1.15  # for what an estimate may be short by
_JAVA_MB = 600  # what an executor's Java that hosts roles likely takes, as it hardly touches its heap
_SIZE = re.compile(r"\s*(\d+)\s*(b|[kmgtp]b?|)\s*", re.IGNORECASE)
_BYTES = {"b": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40, "p": 2**50}


@dataclasses.dataclass(frozen=True)
class ExecutorMemory:
    """What each executor was given: Java's heap, and on top of it room for all else, such as the role's process."""

    heap_mb: int
    overhead_mb: int


@dataclasses.dataclass(frozen=True)
class Overrun:
    """The limit of a container that was killed for its memory, and what it had used, 0 where that is not told.

    YARN tells both; Kubernetes names the pod and its limit only.
    """

    used_bytes: int
    limit_bytes: int


def megabytes(text: str, unit: str = "m") -> int:
    """Return the MiB of a size as Spark's properties spell it, such as ``2g``; a bare number counts in ``unit``.

    What Spark would refuse is 0.
    """
    match = _SIZE.fullmatch(text)
    if match is None:
        return 0
    return int(match[1]) * _BYTES[(match[2] or unit)[0].lower()] // 2**20


def executor_memory(conf: Mapping[str, str]) -> ExecutorMemory:
    """Return what Spark's properties give each executor: as set, else by Spark's own share of the heap."""
    heap_mb = megabytes(conf.get("spark.executor.memory", "1g"))
    if overhead := conf.get("spark.executor.memoryOverhead"):
        return ExecutorMemory(heap_mb, megabytes(overhead))
    share = conf.get("spark.executor.memoryOverheadFactor") or conf.get("spark.kubernetes.memoryOverheadFactor", "0.1")
    least_mb = megabytes(conf.get("spark.executor.minMemoryOverhead", "384m"))
    return ExecutorMemory(heap_mb, max(least_mb, int(float(share) * heap_mb)))


def overrun(reason: str) -> Overrun | None:
    """Return what the words for the loss of an executor say of its memory; None for another reason."""
    if oom := _OOM_KILLED.search(reason):
        return Overrun(0, int(oom[1]) * _MB)
    found = _KILLED.search(reason)
    if found is None:
        return None
    return Overrun(int(float(found[1]) * _UNITS[found[2]]), int(float(found[3]) * _UNITS[found[4]]))


def missing_mb(over: Overrun) -> int:
    """Return the MB by which to raise ``spark.executor.memoryOverhead`` after that: to a fifth more than was used."""
    used_bytes = max(over.used_bytes, over.limit_bytes)
    return math.ceil((used_bytes * _SPARE - over.limit_bytes) / _MB / _STEP_MB) * _STEP_MB


def wanted_overhead_mb(given: ExecutorMemory, used_bytes: int) -> int:
    """Return the MB of memoryOverhead for a container that used this much in all: a fifth more, in whole steps."""
    return math.ceil(max(used_bytes / _MB * _SPARE - given.heap_mb, given.overhead_mb + 1) / _STEP_MB) * _STEP_MB


def overhead_for(role_bytes: float, heap_mb: int) -> int:
    """Return the MB of memoryOverhead for a container in which roles take ``role_bytes`` beside Java."""
    wanted_mb = (role_bytes / _MB + _JAVA_MB) * _MARGIN - heap_mb
    return math.ceil(max(wanted_mb, _STEP_MB) / _STEP_MB) * _STEP_MB
