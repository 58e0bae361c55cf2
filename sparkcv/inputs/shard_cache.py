"""The shards on this machine's disk: who holds which, how many bytes they are, which stay and which are evicted.

Nothing here has threads or waits: the spool calls it under its own lock.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import tempfile
from array import array
from collections.abc import Collection

from sparkcv import logs
from sparkcv.errors import FullError, UsageError

__all__ = ["CachedFile", "ShardCache", "SpooledShard", "fit"]

_SHARE_OF_DISK = 0.75  # checkpoints are written there too
_log = logs.get(__name__)


@dataclasses.dataclass(eq=False)
class CachedFile:
    """One shard on disk, cleared of records that cannot be used.

    Attributes:
        path: the local TFRecord file.
        source: index of the assignment that it came from.
        offsets: byte offset in the stored shard of each record in the file.
        num_bytes: size of the file.
        users: readers that hold it.
        keep: it outlives its users, for later epochs.
        withdrawn: no new reader may have it; it goes with its last user.
    """

    path: str
    source: int
    offsets: array[int]
    num_bytes: int
    users: int = 0
    keep: bool = False
    withdrawn: bool = False

    @property
    def num_records(self) -> int:
        """Records in the file."""
        return len(self.offsets)


@dataclasses.dataclass(frozen=True)
class SpooledShard:
    """A local TFRecord file that holds good records only.

    Attributes:
        path: the file; it stays until the shard is released.
        num_records: records in it.
        epoch: counts from 0.
        source: index of the assignment that it came from; see ``Spool.where``.
        ticket: what ``Spool.release`` wants back.
    """

    path: str
    num_records: int
    epoch: int
    source: int
    ticket: int

    @classmethod
    def of(cls, ticket: int, epoch: int, file: CachedFile) -> SpooledShard:
        """Return what a reader gets of a file."""
        return cls(file.path, file.num_records, epoch, file.source, ticket)


class ShardCache:
    """Files by source within ``max_bytes``; those kept for later leave ``reserve_bytes`` free for what passes through.

    With ``total_bytes`` (of all sources) within ``max_bytes`` every file is kept. They lie in a new folder of the
    cache's own in ``local_dir``.

    Attributes:
        folder: that folder.
        used_bytes: bytes of the files, and of those that are still claimed for files to come.
    """

    def __init__(self, local_dir: str, max_bytes: int, total_bytes: int, reserve_bytes: int) -> None:
        self.folder = tempfile.mkdtemp(prefix="spool-", dir=local_dir)
        self._num_paths = 0
        self._max_bytes = max_bytes
        self._reserve_bytes = 0 if total_bytes <= max_bytes else reserve_bytes
        self._files: dict[int, CachedFile] = {}
        self.used_bytes = 0

    def new_path(self, source: int) -> str:
        """Return the path for a file of a source; no two are the same, as a reader may still have an older one."""
        self._num_paths += 1
        return os.path.join(self.folder, f"{source:06d}-{self._num_paths}.tfrecord")

    def delete(self) -> None:
        """Delete the folder with all files. Twice is fine."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def find(self, source: int) -> CachedFile | None:
        """Return the file of a source, if it is here and a reader may have it."""
        return self._files.get(source)

    def any_but(self, sources: Collection[int]) -> CachedFile | None:
        """Return a file whose source is not among ``sources``."""
        return next((file for file in self._files.values() if file.source not in sources), None)

    def claim(self, wanted: int, *, urgent: bool) -> bool:
        """Set ``wanted`` bytes aside for a file that will be fetched; False if there is no room.

        An urgent claim, of a reader that can go on with nothing else, makes room from idle files and is granted even
        over ``max_bytes``: what the reader holds cannot come free before.
        """
        if urgent:
            for file in [file for file in self._files.values() if file.users == 0]:
                if self.used_bytes + wanted > self._max_bytes:
                    self.withdraw(file.source)
        elif self.used_bytes + wanted > self._max_bytes:
            return False
        self.used_bytes += wanted
        return True

    def give_back(self, claimed: int) -> int:
        """Take a claim back because the disk was full; return the bytes held then, the most from now on."""
        self.used_bytes -= claimed
        self._max_bytes = min(self._max_bytes, self.used_bytes)
        return self.used_bytes

    def clear_idle(self) -> None:
        """Delete the files that nobody holds."""
        for file in [file for file in self._files.values() if file.users == 0]:
            self.withdraw(file.source)

    def put(self, file: CachedFile, claimed: int) -> None:
        """Take a file in, for which ``claimed`` bytes were set aside."""
        self.used_bytes += file.num_bytes - claimed
        kept = sum(other.num_bytes for other in self._files.values() if other.keep)
        file.keep = kept + file.num_bytes + self._reserve_bytes <= self._max_bytes
        self._files[file.source] = file

    def release(self, file: CachedFile) -> None:
        """Count one user less; a file that nobody holds and that is not kept is deleted."""
        file.users -= 1
        if file.users == 0 and (file.withdrawn or not file.keep):
            self._remove(file)

    def withdraw(self, source: int) -> None:
        """Let no new reader have a source's file; it is deleted when its last user releases it."""
        file = self._files.pop(source, None)
        if file is not None:
            file.withdrawn = True
            if file.users == 0:
                self._remove(file)

    def _remove(self, file: CachedFile) -> None:
        if self._files.get(file.source) is file:  # else a newer file of that source stands there
            del self._files[file.source]
        self.used_bytes -= file.num_bytes
        with contextlib.suppress(FileNotFoundError):
            os.unlink(file.path)


def fit(max_bytes: int, url: str, largest: int, local_dir: str) -> int:
    """Return how many bytes of shards may lie in ``local_dir``, at least those of the largest.

    Raises UsageError if the largest shard is over ``max_bytes``, and FullError if the disk has no room for it.
    """
    if largest > max_bytes:
        raise UsageError(
            f"--spool_bytes {max_bytes} cannot hold the shard {url!r} of {largest} bytes; wanted at least {2 * largest}"
        )
    free = shutil.disk_usage(local_dir).free
    if largest > free:
        raise FullError(f"the disk of {local_dir!r} has {free} bytes free, the shard {url!r} is of {largest} bytes")
    fitting = max(largest, int(_SHARE_OF_DISK * free))
    if fitting < max_bytes:
        _log.warning("the disk of %s has %d bytes free: shards may take %d of them", local_dir, free, fitting)
    return min(max_bytes, fitting)
