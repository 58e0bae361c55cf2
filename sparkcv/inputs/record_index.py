"""Where the usable records of each assignment lie in its stored shard, as far as shards were fetched.

Nothing here has threads or waits: the spool calls it under its own lock.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence

from sparkcv.inputs.filename_queue import share
from sparkcv.records.assignment import Assignment

__all__ = ["RecordIndex"]


class RecordIndex:
    """The assignments by their number, the source, with what their fetches found.

    Attributes:
        assignments: as given.
    """

    def __init__(self, assignments: Sequence[Assignment]) -> None:
        self.assignments = list(assignments)
        self._offsets: dict[int, array[int]] = {}
        self._lost: dict[int, int] = {}
        self._dropped: dict[int, set[int]] = {}

    def url(self, source: int) -> str:
        """Return the stored shard."""
        return self.assignments[source].shard.url

    def num_bytes(self, source: int) -> int:
        """Return the size of the stored shard."""
        return self.assignments[source].shard.num_bytes

    def num_records(self, source: int) -> int:
        """Return the usable records of a source, once it was fetched; 0 before."""
        return len(self._offsets.get(source, ()))

    def offset(self, source: int, ordinal: int) -> int:
        """Return where a record lies in the stored shard, by its place among the usable ones."""
        return self._offsets[source][ordinal]

    def put(self, source: int, offsets: array[int], lost: int = 0) -> None:
        """Note what a fetch of a source found: where its usable records are, and how many others there were."""
        self._offsets[source] = offsets
        self._lost[source] = lost + len(self._dropped.get(source, ()))

    def drop(self, source: int, offsets: Iterable[int]) -> None:
        """Let later fetches leave out these records."""
        self._dropped.setdefault(source, set()).update(offsets)

    def dropped(self, source: int) -> frozenset[int]:
        """Return the offsets of the records that a fetch leaves out."""
        return frozenset(self._dropped.get(source, ()))

    @property
    def is_useless(self) -> bool:
        """Whether every source was fetched, and no record at all can be used."""
        return len(self._offsets) == len(self.assignments) and not any(map(len, self._offsets.values()))

    def estimated_total(self) -> int | None:
        """Return how many records there may be, going by the bytes of what was fetched; None if a manifest counts."""
        if share(self.assignments) is not None:
            return None
        seen_bytes = sum(map(self.num_bytes, self._offsets))
        all_bytes = sum(map(self.num_bytes, range(len(self.assignments))))
        seen = sum(map(len, self._offsets.values())) + sum(self._lost.values())
        return round(seen * all_bytes / max(1, seen_bytes))
