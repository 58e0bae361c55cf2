"""Shards from any storage to this machine's disk, ahead of their reader and within a number of bytes.

TensorFlow reads local files only, and waits for each; here threads fetch the next shards while the current ones are
read, clear them of records that cannot be used, and keep them for later epochs as far as the budget of bytes goes.

The order is a permutation of the assignments for each epoch, by seed and epoch. Shards are claimed in that order under
one lock: what is needed first holds its bytes first, so a full spool cannot deadlock.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Collection, Iterator, Mapping, Sequence

from sparkcv import logs
from sparkcv.errors import DataError, SparkcvError, StorageError
from sparkcv.inputs.fetching import Fetcher
from sparkcv.inputs.filename_queue import FilenameQueue, Slot, share, slots
from sparkcv.inputs.full_disk import FullDisk
from sparkcv.inputs.quarantine import Quarantine, RejectedRecord
from sparkcv.inputs.record_index import RecordIndex
from sparkcv.inputs.shard_cache import CachedFile, ShardCache, SpooledShard, fit
from sparkcv.inputs.validate import RecordCheck
from sparkcv.records.assignment import Assignment

__all__ = ["Spool", "SpooledShard"]

_POLL_S = 1.0  # what a lost notification would cost
_STALL_S = 600.0
_JOIN_S = 10.0
_log = logs.get(__name__)


class Spool:
    """The filename queue and the fetching behind it; iterate it once for :class:`SpooledShard` after shard.

    It takes ``assignments`` (this reader's part of the data), ``local_dir`` (a scratch folder; it makes one of its own
    in it), ``max_bytes`` (of files at one time; less if that disk has less room), ``seed`` (None: in order), ``check``
    (see validate.py), ``num_epochs`` (None: without end), ``first_epoch`` (a resumed run goes on with another
    permutation), ``num_readers`` (shards that the reader wants to hold at one time), ``parallel`` (fetches at one
    time), ``attempts`` (fetches of one shard that does not arrive as it is stored) and ``quarantine`` (without, one
    reject ends it).

    Each shard that was taken must be released. Iteration raises what went wrong in a fetch: BudgetError, StorageError,
    DataError if no record at all can be used. The constructor raises UsageError if a shard is over ``max_bytes``, and
    FullError if the disk has no room for it.

    Attributes:
        num_readers: shards that the reader can hold at one time within the budget of bytes.
        quarantine: the list of what could not be used.
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
        largest = max((part.shard for part in assignments), key=lambda shard: shard.num_bytes)
        total_bytes = sum(part.shard.num_bytes for part in assignments)
        max_bytes = fit(max_bytes, largest.url, largest.num_bytes, local_dir)
        fitting = max_bytes // max(1, largest.num_bytes) - 1  # one more is fetched meanwhile
        self.num_readers = max(1, min(num_readers, len(assignments), fitting))
        self.quarantine = quarantine or Quarantine(share(assignments) or 0, 0.0)
        self._ended = threading.Event()  # no wait goes on: closed, or an error
        self._fetcher = Fetcher(check, attempts, self._ended)
        # Guarded by the lock of _changed, from here to _closed.
        self._changed = threading.Condition()
        self._index = RecordIndex(assignments)
        self._queue = FilenameQueue(slots(len(assignments), seed, first_epoch, num_epochs), 2 * parallel)
        self._cache = ShardCache(local_dir, max_bytes, total_bytes, (self.num_readers + 1) * largest.num_bytes)
        self._full_disk = FullDisk(self._changed, self._cache, self._queue, self._ended)
        self._waited_s = 0.0  # of the reader, until it began to wait last
        self._waits_since: float | None = None
        self._error: SparkcvError | None = None
        self._closed = False
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
        return self._queue.num_read

    @property
    def num_sources(self) -> int:
        """Assignments that it reads."""
        return len(self._index.assignments)

    @property
    def waited_s(self) -> float:
        """Seconds for which the reader waited for a shard, so far."""
        with self._changed:
            since = self._waits_since
            return self._waited_s + (0.0 if since is None else time.monotonic() - since)

    def gauge(self) -> tuple[int, int]:
        """Return the filename queue's fill: shards that are ready to be read, and how many can be."""
        with self._changed:
            return self._queue.num_ready, self._queue.capacity

    def num_spooled(self, source: int) -> int:
        """Return the good records of an assignment's shard, once it was fetched; 0 before."""
        return self._index.num_records(source)

    def where(self, source: int, ordinal: int) -> tuple[str, int]:
        """Return the stored shard's URL and the byte offset in it of a record, by its place in the local shard.

        Only for a spool from which nothing was dropped, such as an evaluation's.
        """
        return self._index.url(source), self._index.offset(source, ordinal)

    def take(self) -> SpooledShard | None:
        """Wait for the next shard; None at the end. Raises what went wrong in a fetch, or StorageError at a stall."""
        deadline = time.monotonic() + _STALL_S
        with self._changed, self._counting_wait():
            while True:
                if self._error is not None:
                    raise self._error
                if self._closed or self._queue.is_over:
                    return None
                slot = self._queue.take()
                if slot is not None and slot.file is not None:
                    self._changed.notify_all()
                    if slot.file.num_records:
                        return SpooledShard.of(slot.ticket, slot.epoch, slot.file)
                    self._release(slot.ticket)
                elif time.monotonic() > deadline:
                    self._error = StorageError(f"no shard arrived within {_STALL_S:.0f} s from {self._awaited()!r}")
                else:
                    self._changed.wait(_POLL_S)

    @contextlib.contextmanager
    def _counting_wait(self) -> Iterator[None]:
        self._waits_since = started = time.monotonic()
        try:
            yield
        finally:
            self._waited_s, self._waits_since = self._waited_s + time.monotonic() - started, None

    def release(self, ticket: int) -> None:
        """Give a shard back: read to its end, or no longer wanted. Twice is fine."""
        with self._changed:
            self._release(ticket)

    def hold(self, exclude: Collection[int]) -> SpooledShard | None:
        """Take, beside the reader, a shard on disk whose source is not in ``exclude``; None if there is none now."""
        with self._changed:
            file = None if self._closed else self._cache.any_but(exclude)
            if file is None:
                return None
            file.users += 1
            slot = self._queue.hold(file)
            return SpooledShard.of(slot.ticket, slot.epoch, file)

    def has_other(self, than: Collection[int]) -> bool:
        """Tell whether a shard is on disk whose source is not among ``than``."""
        with self._changed:
            return self._cache.any_but(than) is not None

    def drop(self, shard: SpooledShard, reasons: Mapping[int, str]) -> None:
        """Leave records of a shard that is held out of later epochs, and quarantine them.

        ``reasons`` is by the record's place in the local shard. Raises BudgetError if they are one too many.
        """
        url = self._index.url(shard.source)
        with self._changed:
            file = self._queue.taken(shard.ticket).file
            bad = {file.offsets[ordinal]: reason for ordinal, reason in reasons.items()} if file else {}
            self._index.drop(shard.source, bad)
            self._cache.withdraw(shard.source)
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
        self._cache.delete()

    def _awaited(self) -> str:
        fetching = self._queue.fetching()
        return self._index.url(min(fetching)) if fetching else "storage"

    def _release(self, ticket: int) -> None:
        file = self._queue.give_back(ticket)
        if file is not None:
            self._cache.release(file)
            self._changed.notify_all()

    def _work(self) -> None:
        """Claim, fetch and validate shards until the last epoch's end, ``close`` or an error."""
        try:
            while (slot := self._claim()) is not None:
                self._bring(slot)
        except SparkcvError as err:
            self.fail(err)
        except OSError as err:
            error = StorageError(f"cannot spool a shard to {self._cache.folder!r}: {err.strerror or err}")
            error.__cause__ = err
            self.fail(error)
        except BaseException as err:
            self.fail(DataError(f"the spool failed: {type(err).__name__}: {err}"))
            raise

    def _claim(self) -> Slot | None:
        """Wait for the next slot that must be fetched and claim its bytes; slots already on disk pass at once."""
        with self._changed:
            while not self._closed and self._error is None and (slot := self._queue.coming) is not None:
                file = self._cache.find(slot.source)
                is_full = self._full_disk.is_waited_for or self._queue.is_full
                if is_full or slot.source in self._queue.fetching():
                    self._changed.wait(_POLL_S)
                elif file is not None:
                    file.users += 1
                    slot.file = file
                    self._queue.begin()
                    self._changed.notify_all()
                elif self._cache.claim(self._index.num_bytes(slot.source), urgent=not len(self._queue)):
                    self._queue.begin()
                    self._changed.notify_all()
                    return slot
                else:
                    self._changed.wait(_POLL_S)
        return None

    def _bring(self, slot: Slot) -> None:
        """Fetch and validate one shard, without the lock, and make its slot ready."""
        source, num_bytes = slot.source, self._index.num_bytes(slot.source)
        with self._changed:
            path = self._cache.new_path(source)
            dropped = self._index.dropped(source)
        assignment = self._index.assignments[source]
        found = self._full_disk.fetch(slot, num_bytes, lambda: self._fetcher.bring(assignment, path, dropped))
        with self._changed:
            self._index.put(source, found.offsets, sum(reject.num_records for reject in found.rejects))
            is_useless = self._index.is_useless
            total = self._index.estimated_total()
            if total is not None:
                self.quarantine.total = total
        self.quarantine.add(found.rejects)
        if is_useless:  # a reader would wait without end
            raise DataError(
                f"none of the records in {self.num_sources} shards can be used, such as {assignment.shard.url!r};"
                f" {self.quarantine.count} were rejected"
            )
        with self._changed:
            slot.file = CachedFile(path, source, found.offsets, found.num_bytes, users=1)
            self._cache.put(slot.file, num_bytes)
            self._changed.notify_all()
