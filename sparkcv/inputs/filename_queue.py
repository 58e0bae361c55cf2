"""In which order a reader goes through its shards, and how far it is: what is fetched next, what waits, what is read.

Nothing here has threads or waits: the spool calls it under its own lock.
"""

from __future__ import annotations

import dataclasses
import random
from collections import deque
from collections.abc import Iterator, Sequence

from sparkcv.inputs.shard_cache import CachedFile
from sparkcv.records.assignment import Assignment

__all__ = ["FilenameQueue", "Slot", "epoch_order", "share", "slots"]


@dataclasses.dataclass
class Slot:
    """One place in the filename queue; ``file`` is None until its fetch ends."""

    ticket: int
    epoch: int
    source: int
    file: CachedFile | None = None


class FilenameQueue:
    """The slots that were begun, in order: those being fetched, those ready to be read, and those that a reader has.

    It takes ``coming`` (every slot there will be, in order) and ``capacity`` (slots that wait at one time).

    Attributes:
        capacity: as given.
        coming: the slot that is begun next; None at the end.
        num_read: records of all slots that were taken and given back.
    """

    def __init__(self, coming: Iterator[Slot], capacity: int) -> None:
        self._coming = coming
        self._waiting: deque[Slot] = deque()
        self._taken: dict[int, Slot] = {}
        self._num_held = 0
        self.capacity = capacity
        self.coming: Slot | None = next(coming, None)
        self.num_read = 0

    def __len__(self) -> int:
        """Return how many slots were begun and not yet taken."""
        return len(self._waiting)

    @property
    def is_full(self) -> bool:
        """Whether no further slot may be begun."""
        return len(self._waiting) >= self.capacity

    @property
    def is_over(self) -> bool:
        """Whether the last slot of all was taken."""
        return self.coming is None and not self._waiting

    @property
    def num_ready(self) -> int:
        """Slots that can be taken once they come to the front."""
        return sum(slot.file is not None for slot in self._waiting)

    def fetching(self) -> set[int]:
        """Return the sources that are being fetched: a slot is begun with its fetch, and waits until that ends."""
        return {slot.source for slot in self._waiting if slot.file is None}

    def begin(self) -> Slot:
        """Append the coming slot and return it; raises IndexError at the end."""
        slot = self.coming
        if slot is None:
            raise IndexError("no slot is coming")
        self._waiting.append(slot)
        self.coming = next(self._coming, None)
        return slot

    def is_first(self, slot: Slot) -> bool:
        """Tell whether the reader waits for this slot before any other."""
        return bool(self._waiting) and self._waiting[0] is slot

    def put_last(self, slot: Slot) -> None:
        """Let everything that was begun be read before this slot."""
        self._waiting.remove(slot)
        self._waiting.append(slot)

    def take(self) -> Slot | None:
        """Take the first slot; None unless it is ready."""
        if not self._waiting or self._waiting[0].file is None:
            return None
        slot = self._waiting.popleft()
        self._taken[slot.ticket] = slot
        return slot

    def hold(self, file: CachedFile) -> Slot:
        """Return a slot of a file that is read beside the order; its ticket is negative, and it counts nowhere."""
        self._num_held += 1
        slot = self._taken[-self._num_held] = Slot(-self._num_held, -1, file.source, file)
        return slot

    def taken(self, ticket: int) -> Slot:
        """Return a slot that was taken and not yet given back; raises KeyError for another one."""
        return self._taken[ticket]

    def give_back(self, ticket: int) -> CachedFile | None:
        """Return the file of a slot that was taken, and forget the slot; None if that was done before."""
        slot = self._taken.pop(ticket, None)
        if slot is None or slot.file is None:
            return None
        if slot.ticket >= 0:
            self.num_read += slot.file.num_records
        return slot.file


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
