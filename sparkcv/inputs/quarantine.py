"""The list of records that could not be used, and the budget that ends a run which has too many of them."""

from __future__ import annotations

import collections
import dataclasses
import json
import math
import threading
from collections.abc import Iterable

from sparkcv import logs, storage
from sparkcv.errors import BudgetError, StorageError, UnavailableError
from sparkcv.records.reasons import allowed, kind_of, most_frequent

__all__ = ["Quarantine", "RejectedRecord"]

_HELD = 1000  # rejects kept in memory; the file has all
_LOGGED = 20
_log = logs.get(__name__)


@dataclasses.dataclass(frozen=True)
class RejectedRecord:
    """One place in a stored shard that cost records.

    Attributes:
        url: the shard as stored.
        offset: byte offset of the record's frame in it.
        reason: why, in one line.
        num_records: records lost there: 1, more where a shard breaks off, 0 for bytes that belong to no record.
    """

    url: str
    offset: int
    reason: str
    num_records: int = 1

    def to_dict(self) -> dict[str, str | int]:
        """Return the line of a quarantine file."""
        return {"path": self.url, "offset": self.offset, "reason": self.reason, "records": self.num_records}


class Quarantine:
    """Counts and lists the rejects of one reader; safe to call from any thread.

    ``budget`` is the share of ``total`` records that may be lost; any budget above 0 allows at least one record.
    ``url`` is the JSON-lines file that gets each reject as it is found (None: only counted); while its storage is full
    they wait, and ``close`` writes them. ``total`` may be corrected while counts are still estimates.
    """

    def __init__(self, total: int, budget: float, url: str | None = None) -> None:
        self.total = total
        self._budget = budget
        self._url = url
        self._lock = threading.Lock()
        self._seen: set[tuple[str, int]] = set()
        self._held: list[RejectedRecord] = []
        self._count = 0
        self._kinds: collections.Counter[str] = collections.Counter()
        self._unlisted = ""
        self._has_listed = False

    @property
    def count(self) -> int:
        """Records lost so far, each counted once however often its shard is read."""
        return self._count

    @property
    def allowed(self) -> int:
        """Records that may be lost."""
        return math.ceil(allowed(self._budget, self.total))

    def first(self, limit: int = 20) -> list[RejectedRecord]:
        """Return the first rejects found."""
        with self._lock:
            return self._held[:limit]

    def add(self, rejects: Iterable[RejectedRecord]) -> int:
        """Take rejects, list the new ones; return how many records those cost.

        Raises BudgetError if that is more in all than the budget allows, UnavailableError if the storage is away.
        """
        with self._lock:
            new = [reject for reject in rejects if (reject.url, reject.offset) not in self._seen]
            for reject in new:
                if len(self._held) < _LOGGED:
                    _log.warning("rejected %s at offset %d: %s", reject.url, reject.offset, reject.reason)
                self._seen.add((reject.url, reject.offset))
                kind = kind_of(reject.reason)
                self._kinds[kind if kind in self._kinds or len(self._kinds) < _HELD else "others"] += reject.num_records
                if len(self._held) < _HELD:
                    self._held.append(reject)
            lost = sum(reject.num_records for reject in new)
            self._count += lost
            if new and self._url is not None:
                self._unlisted += "".join(json.dumps(reject.to_dict(), sort_keys=True) + "\n" for reject in new)
                try:
                    self._list(self._url)
                except UnavailableError:
                    raise
                except StorageError as err:
                    _log.warning("rejects are listed later: %s", err)
        self.check()
        return lost

    def close(self) -> None:
        """Write what could not be listed until now; raises StorageError if it cannot be now either."""
        with self._lock:
            if self._unlisted and self._url is not None:
                self._list(self._url)

    def _list(self, url: str) -> None:
        text = self._unlisted
        if not self._has_listed and storage.exists(url) and not storage.read_bytes(url).endswith(b"\n"):
            text = "\n" + text  # a former run was killed inside its last line
        storage.append_bytes(url, text.encode())
        self._unlisted, self._has_listed = "", True

    def check(self, unlisted: int = 0) -> None:
        """Raise BudgetError if the records lost, and ``unlisted`` more that nobody could name, are over the budget."""
        lost = self._count + unlisted
        if lost <= self.allowed:
            return
        worst = self._held[0] if self._held else None
        reasons = f"; reasons: {most_frequent(self._kinds)}" if self._kinds else ""
        example = f"; the first: {worst.url} at offset {worst.offset}: {worst.reason}" if worst else ""
        listed = f"; all are listed in {self._url}" if self._url else ""
        raise BudgetError(
            f"{lost} of {self.total} records cannot be used, --bad_record_budget {self._budget:g} allows"
            f" {self.allowed}{reasons}{example}{listed}"
        )
