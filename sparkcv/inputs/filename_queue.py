"""In which order a reader goes through its shards: known before anything is fetched."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterator, Sequence

from sparkcv.inputs.shard_cache import CachedFile
from sparkcv.records.assignment import Assignment

__all__ = ["Slot", "epoch_order", "share", "slots"]


@dataclasses.dataclass
class Slot:
    """One place in the filename queue; ``file`` is None until its fetch ends."""

    ticket: int
    epoch: int
    source: int
    file: CachedFile | None = None


def epoch_order(count: int, seed: int | None, epoch: int) -> list[int]:
    """Return the order of ``count`` shards in an epoch: a permutation, or their own order without a seed."""
    order = list(range(count))
    if seed is not None:
        random.Random(f"{seed}/{epoch}").shuffle(order)
    return order


def slots(count: int, seed: int | None, first_epoch: int, num_epochs: int | None) -> Iterator[Slot]:
    """Yield a place for each of ``count`` shards in each epoch; ``num_epochs`` None is without end.

    The orders are those of ``first_epoch`` and after; ``Slot.epoch`` counts from 0.
    """
    ticket = epoch = 0
    while num_epochs is None or epoch < num_epochs:
        for source in epoch_order(count, seed, first_epoch + epoch):
            yield Slot(ticket, epoch, source)
            ticket += 1
        epoch += 1


def share(assignments: Sequence[Assignment]) -> int | None:
    """Return how many records the manifest gives to these assignments; None without a manifest."""
    total = 0
    for part in assignments:
        if part.shard.num_records is None:
            return None
        total += len(range(part.start, part.shard.num_records, part.stride))
    return total
