"""Shards from any storage to this machine's disk, ahead of their reader and within a number of bytes.

TensorFlow reads local files only, and waits for each; here threads fetch the next shards while the current ones are
read, clear them of records that cannot be used, and keep them for later epochs as far as the budget of bytes goes.

The order is a permutation of the assignments for each epoch, by seed and epoch. Shards are claimed in that order under
one lock: what is needed first holds its bytes first, so a full spool cannot deadlock.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
from array import array
from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence

from sparkcv import logs
from sparkcv.errors import DataError, FullError, SparkcvError, StorageError
from sparkcv.inputs.fetching import Fetcher
from sparkcv.inputs.filename_queue import Slot, share, slots
from sparkcv.inputs.quarantine import Quarantine, RejectedRecord
from sparkcv.inputs.shard_cache import CachedFile, ShardCache, SpooledShard, fit
from sparkcv.inputs.validate import RecordCheck
from sparkcv.records.assignment import Assignment

__all__ = ["Spool", "SpooledShard"]

_POLL_S = 1.0  # what a lost notification would cost
_STALL_S = 600.0
_JOIN_S = 10.0
_FULL_PATIENCE_S = 500.0  # the reader may be long over what it holds
_log = logs.get(__name__)


class Spool:
    """The filename queue and the fetching behind it; iterate it once for :class:`SpooledShard` after shard.

    It takes ``assignments`` (this reader's part of the data), ``local_dir`` (a scratch folder; it makes one of its own
    in it), ``max_bytes`` (of files at one time; less if that disk has less room), ``seed`` (None: in order), ``check``
    (see vet.py), ``num_epochs`` (None: without end), ``first_epoch`` (a resumed run goes on with another permutation),
    ``num_readers`` (shards that the reader wants to hold at one time), ``parallel`` (fetches at one time), ``attempts``
    (fetches of one shard that does not arrive as it is stored) and ``quarantine`` (without, one reject ends it).

    Each shard that was taken must be released. Iteration raises what went wrong in a fetch: BudgetError, StorageError,
    DataError if no record at all can be used. The constructor raises UsageError if a shard is over ``max_bytes``, and
    FullError if the disk has no room for it.
    """

    def __init__(
        self,
        assignments: Sequence[Assignment],
        local_dir: str,
        *,
        max_bytes: int,
        seed: int | None,
        check: RecordCheck,
        num_epochs: int | None = None,
        first_epoch: int = 0,
        num_readers: int = 1,
        parallel: int = 4,
        attempts: int = 5,
        quarantine: Quarantine | None = None,
    ) -> None:
        if not assignments:
            raise DataError("no shard was assigned to this reader, wanted at least one")
        self._assignments = list(assignments)
        self._sizes = [part.shard.num_bytes for part in assignments]
        largest = max(self._assignments, key=lambda part: part.shard.num_bytes).shard
        max_bytes = fit(max_bytes, largest.url, largest.num_bytes, local_dir)
        fitting = max_bytes // max(1, largest.num_bytes) - 1  # one more is fetched meanwhile
        self.num_readers = max(1, min(num_readers, len(assignments), fitting))
        self.quarantine = quarantine or Quarantine(share(assignments) or 0, 0.0)
        self._is_estimated = share(assignments) is None
        self._check = check
        self._ended = threading.Event()
        self._fetcher = Fetcher(attempts, self._ended)
        self._plan = slots(len(assignments), seed, first_epoch, num_epochs)
        self._capacity = 2 * parallel
        # Guarded by the lock of _changed, from here to _closed.
        self._changed = threading.Condition()
        self._shelf = ShardCache(max_bytes, sum(self._sizes), (self.num_readers + 1) * largest.num_bytes)
        self._next: Slot | None = next(self._plan, None)
        self._queue: deque[Slot] = deque()
        self._taken: dict[int, Slot] = {}
        self._offsets: dict[int, array[int]] = {}
        self._dropped: dict[int, set[int]] = {}
        self._fetching: set[int] = set()
        self._num_read = self._num_held = self._num_files = self._num_cramped = 0
        self._error: SparkcvError | None = None
        self._closed = False
        self._dir = tempfile.mkdtemp(prefix="spool-", dir=local_dir)
        self._threads = [
            threading.Thread(target=self._work, name=f"sparkcv-spool-{index}", daemon=True)
            for index in range(min(parallel, len(assignments)))
        ]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[SpooledShard]:
        """Yield shards until the last epoch's end, ``close`` or an error, which is raised."""
        while (shard := self.take()) is not None:
            yield shard

    @property
    def error(self) -> SparkcvError | None:
        """What ended the spool, if anything went wrong."""
        return self._error

    @property
    def num_read(self) -> int:
        """Records of all shards that were taken and released."""
        return self._num_read

    @property
    def num_sources(self) -> int:
        """Assignments that it reads."""
        return len(self._assignments)

    def gauge(self) -> tuple[int, int]:
        """Return the filename queue's fill: shards that are ready to be read, and how many can be."""
        with self._changed:
            return sum(slot.file is not None for slot in self._queue), self._capacity

    def num_spooled(self, source: int) -> int:
        """Return the good records of an assignment's shard, once it was fetched; 0 before."""
        return len(self._offsets.get(source, ()))

    def where(self, source: int, ordinal: int) -> tuple[str, int]:
        """Return the stored shard's URL and the byte offset in it of a record, by its place in the local shard.

        Only for a spool from which nothing was dropped, such as an evaluation's.
        """
        return self._assignments[source].shard.url, self._offsets[source][ordinal]

    def take(self) -> SpooledShard | None:
        """Wait for the next shard; None at the end. Raises what went wrong in a fetch, or StorageError at a stall."""
        deadline = time.monotonic() + _STALL_S
        with self._changed:
            while True:
                if self._error is not None:
                    raise self._error
                if self._closed or (self._next is None and not self._queue):
                    return None
                if self._queue and self._queue[0].file is not None:
                    slot = self._queue.popleft()
                    self._taken[slot.ticket] = slot
                    self._changed.notify_all()
                    if slot.file is not None and slot.file.num_records:
                        return SpooledShard.of(slot.ticket, slot.epoch, slot.file)
                    self._release(slot.ticket)
                elif time.monotonic() > deadline:
                    self._error = StorageError(f"no shard arrived within {_STALL_S:.0f} s from {self._awaited()!r}")
                else:
                    self._changed.wait(_POLL_S)

    def release(self, ticket: int) -> None:
        """Give a shard back: read to its end, or no longer wanted. Twice is fine."""
        with self._changed:
            self._release(ticket)

    def hold(self, exclude: Collection[int]) -> SpooledShard | None:
        """Take, beside the reader, a shard on disk whose source is not in ``exclude``; None if there is none now."""
        with self._changed:
            file = None if self._closed else self._shelf.any_but(exclude)
            if file is None:
                return None
            file.users += 1
            self._num_held += 1
            slot = self._taken[-self._num_held] = Slot(-self._num_held, -1, file.source, file)
            return SpooledShard.of(slot.ticket, slot.epoch, file)

    def has_other(self, than: Collection[int]) -> bool:
        """Tell whether a shard is on disk whose source is not among ``than``."""
        with self._changed:
            return self._shelf.any_but(than) is not None

    def drop(self, shard: SpooledShard, reasons: Mapping[int, str]) -> None:
        """Leave records of a shard that is held out of later epochs, and quarantine them.

        ``reasons`` is by the record's place in the local shard. Raises BudgetError if they are one too many.
        """
        url = self._assignments[shard.source].shard.url
        with self._changed:
            file = self._taken[shard.ticket].file
            bad = {file.offsets[ordinal]: reason for ordinal, reason in reasons.items()} if file else {}
            self._dropped.setdefault(shard.source, set()).update(bad)
            self._shelf.withdraw(shard.source)
        self.quarantine.add(RejectedRecord(url, offset, reason) for offset, reason in sorted(bad.items()))

    def fail(self, error: SparkcvError) -> None:
        """End the spool with an error for the reader; the first one counts, and none after the end."""
        with self._changed:
            self._error = self._error or (None if self._closed else error)
            self._ended.set()
            self._changed.notify_all()

    def end(self) -> None:
        """Let the reader see the end, and fetch no more; the files stay for who still reads them. Twice is fine."""
        with self._changed:
            self._closed = True
            self._ended.set()
            self._changed.notify_all()

    def close(self) -> None:
        """End the threads and delete the files; the reader sees the end. Twice is fine.

        No TensorFlow session may read any more: to a dataset that ignores errors, a file that is gone is one for ever.
        """
        self.end()
        deadline = time.monotonic() + _JOIN_S
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        if any(thread.is_alive() for thread in self._threads):
            _log.warning("the fetch of %s did not end within %.0f s", self._awaited(), _JOIN_S)
        shutil.rmtree(self._dir, ignore_errors=True)

    def _awaited(self) -> str:
        urls = [self._assignments[source].shard.url for source in sorted(self._fetching)]
        return urls[0] if urls else "storage"

    def _work(self) -> None:
        """Claim, fetch and vet shards until the plan's end, ``close`` or an error."""
        try:
            while (slot := self._claim()) is not None:
                self._bring(slot)
        except SparkcvError as err:
            self.fail(err)
        except OSError as err:
            error = StorageError(f"cannot spool a shard to {self._dir!r}: {err.strerror or err}")
            error.__cause__ = err
            self.fail(error)
        except BaseException as err:
            self.fail(DataError(f"the spool failed: {type(err).__name__}: {err}"))
            raise

    def _claim(self) -> Slot | None:
        """Wait for the next slot that must be fetched and claim its bytes; slots already on disk pass at once."""
        with self._changed:
            while not self._closed and self._error is None and self._next is not None:
                slot = self._next
                file = self._shelf.find(slot.source)
                is_full = self._num_cramped or len(self._queue) >= self._capacity
                if is_full or slot.source in self._fetching:
                    self._changed.wait(_POLL_S)
                elif file is not None:
                    file.users += 1
                    slot.file = file
                    self._enqueue(slot)
                elif self._shelf.claim(self._sizes[slot.source], urgent=not self._queue):
                    self._fetching.add(slot.source)
                    self._enqueue(slot)
                    return slot
                else:
                    self._changed.wait(_POLL_S)
        return None

    def _enqueue(self, slot: Slot) -> None:
        self._queue.append(slot)
        self._next = next(self._plan, None)
        self._changed.notify_all()

    def _bring(self, slot: Slot) -> None:
        """Fetch and vet one shard, without the lock, and make its slot ready."""
        source, assignment = slot.source, self._assignments[slot.source]
        with self._changed:
            self._num_files += 1
            path = os.path.join(self._dir, f"{source:06d}-{self._num_files}.tfrecord")
            dropped = frozenset(self._dropped.get(source, ()))
        tries_alone = 0
        while True:
            try:
                vetted = self._fetcher.bring(assignment, path, self._check, dropped)
                break
            except FullError as err:  # another fetch that failed at the same moment may have been in its way
                tries_alone += self._make_room(slot, err, is_last_try=tries_alone > 1)
        with self._changed:
            self._offsets[source] = vetted.offsets
            seen_bytes = sum(self._sizes[other] for other in self._offsets)
            found = sum(len(offsets) for offsets in self._offsets.values())
            if self._is_estimated:
                self.quarantine.total = round(found * sum(self._sizes) / max(1, seen_bytes))
        self.quarantine.add(vetted.rejects)
        if not found and len(self._offsets) == len(self._assignments):  # a reader would wait without end
            raise DataError(
                f"none of the records in {len(self._assignments)} shards can be used, such as"
                f" {assignment.shard.url!r}; {self.quarantine.count} were rejected"
            )
        with self._changed:
            file = CachedFile(path, source, vetted.offsets, vetted.num_bytes, users=1)
            self._shelf.put(file, self._sizes[source])
            slot.file = file
            self._fetching.discard(source)
            self._changed.notify_all()

    def _make_room(self, slot: Slot, error: FullError, is_last_try: bool) -> bool:
        """Claim a shard's bytes anew, within what the disk turned out to take; raises ``error`` if nothing comes free.

        What nobody holds goes, what is ready behind it is read first, nothing new is begun until it has its room.
        Returns whether it has all the room that there is for itself.
        """
        wanted, give_up_s = self._sizes[slot.source], time.monotonic() + _FULL_PATIENCE_S
        with self._changed:
            held = self._shelf.give_back(wanted)
            _log.warning("the spool is held to %d bytes of shards from now on: %s", held, error)
            self._queue.remove(slot)
            self._queue.append(slot)
            self._num_cramped += 1
            try:
                while not self._ended.is_set():
                    self._shelf.clear_idle()
                    is_alone = not self._shelf.used_bytes
                    if (is_alone and is_last_try) or time.monotonic() > give_up_s:
                        told = f"{error}; wanted {wanted} bytes for one shard: free room, or use smaller shards"
                        raise FullError(told) from error
                    has_shrunk = is_alone or self._shelf.used_bytes < held
                    if has_shrunk and self._shelf.claim(wanted, urgent=self._queue[0] is slot):
                        return is_alone
                    self._changed.wait(_POLL_S)
            finally:
                self._num_cramped -= 1
                self._changed.notify_all()
        raise error

    def _release(self, ticket: int) -> None:
        slot = self._taken.pop(ticket, None)
        if slot is not None and slot.file is not None:
            if slot.ticket >= 0:
                self._num_read += slot.file.num_records
            self._shelf.release(slot.file)
            self._changed.notify_all()
