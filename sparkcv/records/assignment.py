"""Which worker reads which shards: disjoint, complete, and balanced by bytes.

Whole shards go to workers as long as that is fair. What is left, and everything when there are fewer shards than
workers, is split by record stride: every one of ``stride`` workers reads the shard's file but takes only the records
``start``, ``start + stride``...
"""

from __future__ import annotations

import dataclasses
import heapq
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sparkcv.records.shards import Shard

# With this many shards a worker, one shard more or less is too little to split a file for.
_ENOUGH_SHARDS = 20


@dataclasses.dataclass(frozen=True)
class Assignment:
    """A worker's part of one shard: the records ``start``, ``start + stride``... (stride 1: all of it)."""

    shard: Shard
    start: int = 0
    stride: int = 1


def assign(shards: Sequence[Shard], index: int, count: int) -> list[Assignment]:
    """Return what worker ``index`` of ``count`` reads, in order of name.

    Every worker computes the same plan from the same shards. No worker goes without as long as there is a shard; one
    that holds no record, as Hadoop's writers leave for an empty partition, is nobody's.

    Raises:
        ValueError: ``index`` is not in ``[0, count)``.
    """
    if not 0 <= index < count:
        raise ValueError(f"got worker {index} of {count}, wanted an index from 0 to {count - 1}")
    shards = [shard for shard in shards if not _is_empty(shard)]
    by_size = sorted(shards, key=lambda shard: (-shard.num_bytes, shard.url))
    num_whole = len(by_size) if len(by_size) >= _ENOUGH_SHARDS * count else len(by_size) // count * count
    rest = by_size[num_whole:]
    load = [(0.0, worker) for worker in range(count)]  # a heap: the least loaded worker is first
    plan: list[list[Assignment]] = [[] for _ in range(count)]
    for shard in by_size[:num_whole]:
        held, worker = load[0]
        plan[worker].append(Assignment(shard))
        heapq.heapreplace(load, (held + shard.num_bytes, worker))
    for shard, readers in zip(rest, _readers(rest, count), strict=True):
        for start in range(readers):  # in all as many parts as workers: each takes one
            plan[heapq.heappop(load)[1]].append(Assignment(shard, start, readers))
    return sorted(plan[index], key=lambda part: part.shard.url)


def _is_empty(shard: Shard) -> bool:
    return shard.num_records == 0 or (shard.num_records is None and not shard.num_bytes)


def _readers(shards: Sequence[Shard], count: int) -> list[int]:
    """Share ``count`` workers among fewer shards: each next one goes where it relieves most."""
    readers = [1] * len(shards)
    for _ in range(count - len(shards) if shards else 0):
        most = max(range(len(shards)), key=lambda i: (shards[i].num_bytes / readers[i], -i))
        readers[most] += 1
    return readers
