"""Queue rows in a worker for its program: by chunks, in the order in which they came, from many tasks."""

import collections
import dataclasses
import threading
import time
from typing import Any, Protocol

from sparkcv.feeding.chunks import rows_of

__all__ = ["END_OF_PARTITION", "RowQueue", "RowSource", "Taken"]

END_OF_PARTITION = object()


class RowSource(Protocol):
    """Where a chunk came from."""

    def taken(self, number: int) -> None:
        """Note that the last row of that chunk was taken; must not block for long."""


@dataclasses.dataclass(frozen=True)
class Taken:
    """Rows of one chunk, and how many that chunk has."""

    source: RowSource
    number: int
    rows: list[Any]
    count: int


@dataclasses.dataclass(frozen=True)
class _Item:
    source: RowSource
    number: int = 0
    count: int = 0
    data: bytes | None = None  # None: the end of a partition


class RowQueue:
    """Every method may be called from any thread. It is not bounded itself: each source sends no more than it may."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._items: collections.deque[_Item] = collections.deque()
        self._open: _Item | None = None  # the chunk that rows are being taken from
        self._rows: list[Any] = []
        self._at = 0
        self._is_ended = False
        self._num_takers = 0  # that wait, as there is no row
        self._idle_since_s = time.monotonic()
        self.num_taken = 0

    def put(self, source: RowSource, number: int, count: int, data: bytes) -> None:
        """Add a chunk of ``count`` rows."""
        self._put(_Item(source, number, count, data))

    def put_end_of_partition(self, source: RowSource) -> None:
        """Note that all rows of a partition are in."""
        self._put(_Item(source))

    def end(self) -> None:
        """Note that nothing more will come: what is there can still be taken."""
        with self._changed:
            self._is_ended = True
            self._changed.notify_all()

    def drop(self, source: RowSource | None = None) -> None:
        """Forget what waits of ``source``, or all that waits."""
        with self._changed:
            kept = [item for item in self._items if source is not None and item.source is not source]
            self._items = collections.deque(kept)
            if self._open is not None and (source is None or self._open.source is source):
                self._open, self._rows = None, []

    def num_waiting(self) -> int:
        """Return how many rows wait."""
        with self._changed:
            return sum(item.count for item in self._items) + len(self._rows) - (self._at if self._rows else 0)

    def is_starved(self) -> bool:
        """Tell whether somebody waits for a row and there is none."""
        with self._changed:
            return self._num_takers > 0 and not self._items

    def idle_s(self) -> float:
        """Return how many seconds ago the last row was taken, or the queue was made."""
        with self._changed:
            return time.monotonic() - self._idle_since_s

    def take(self, most: int, timeout_s: float | None = None) -> "Taken | object | None":
        """Up to ``most`` rows of one chunk, END_OF_PARTITION, or None at the end; waits for one of them.

        Raises TimeoutError after ``timeout_s``, and DataError for a chunk that cannot be read.
        """
        deadline_s = None if timeout_s is None else time.monotonic() + timeout_s
        with self._changed:
            while self._open is None:
                if self._items:
                    item = self._items.popleft()
                    if item.data is None:
                        return END_OF_PARTITION
                    self._open, self._rows, self._at = item, rows_of(item.data), 0
                elif self._is_ended:
                    return None
                else:
                    left_s = None if deadline_s is None else deadline_s - time.monotonic()
                    if left_s is not None and left_s <= 0:
                        raise TimeoutError(f"no row came within {timeout_s:g} s")
                    self._num_takers += 1
                    try:
                        self._changed.wait(left_s)
                    finally:
                        self._num_takers -= 1
            chunk = self._open
            taken = self._rows[self._at : self._at + most]
            self._at += len(taken)
            self.num_taken += len(taken)
            self._idle_since_s = time.monotonic()
            is_done = self._at >= len(self._rows)
            if is_done:
                self._open, self._rows = None, []
        if is_done:
            chunk.source.taken(chunk.number)  # not under the lock: it writes to the network
        return Taken(chunk.source, chunk.number, taken, chunk.count)

    def _put(self, item: _Item) -> None:
        with self._changed:
            self._items.append(item)
            self._changed.notify_all()
