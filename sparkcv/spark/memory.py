"""What an executor's container was given, what it used when it was killed for that, and what to give it instead."""

import dataclasses
import math
import re

__all__ = ["ExecutorMemory", "Overrun", "missing_mb", "overhead_for", "overrun", "wanted_overhead_mb"]

_MB = 2**20
_UNITS = {"B": 1, "KB": 2**10, "MB": 2**20, "GB": 2**30, "TB": 2**40}
_KILLED = re.compile(r"([\d.]+) ?([KMGT]?B) of ([\d.]+) ?([KMGT]?B) physical memory used")
_SPARE = 1.2  # a role that was killed while it grew wants more than it had
_STEP_MB = 128
_MARGIN = 1.15  # for what an estimate may be short by
_JAVA_MB = 600  # an executor's Java that hosts roles hardly touches its heap


@dataclasses.dataclass(frozen=True)
class ExecutorMemory:
    """What each executor was given: Java's heap, and on top of it room for all else, such as the role's process."""

    heap_mb: int
    overhead_mb: int


@dataclasses.dataclass(frozen=True)
class Overrun:
    """What a container used, and its limit, at the moment when YARN killed it for that."""

    used_bytes: int
    limit_bytes: int


def overrun(reason: str) -> Overrun | None:
    """What YARN's words for the loss of an executor say of its memory, or None if it was lost for another reason."""
    found = _KILLED.search(reason)
    if found is None:
        return None
    return Overrun(int(float(found[1]) * _UNITS[found[2]]), int(float(found[3]) * _UNITS[found[4]]))


def missing_mb(over: Overrun) -> int:
    """By how much to raise ``spark.executor.memoryOverhead`` after that: to a fifth more than was used."""
    return math.ceil(max(over.used_bytes * _SPARE - over.limit_bytes, 1) / _MB / _STEP_MB) * _STEP_MB


def wanted_overhead_mb(given: ExecutorMemory, used_bytes: int) -> int:
    """``spark.executor.memoryOverhead`` for a container that used this much in all: a fifth more, in whole steps."""
    return math.ceil(max(used_bytes / _MB * _SPARE - given.heap_mb, given.overhead_mb + 1) / _STEP_MB) * _STEP_MB


def overhead_for(role_bytes: float, heap_mb: int) -> int:
    """``spark.executor.memoryOverhead`` for a container in which roles take ``role_bytes`` beside Java."""
    wanted_mb = (role_bytes / _MB + _JAVA_MB) * _MARGIN - heap_mb
    return math.ceil(max(wanted_mb, _STEP_MB) / _STEP_MB) * _STEP_MB
