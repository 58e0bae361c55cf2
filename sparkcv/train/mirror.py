"""Mirror growing local files to storage, piece by piece, as TensorFlow and ``open`` append locally only.

The copying has a thread of its own: neither the round trips of an append nor a storage that is away for a minute hold
up a training step.
"""

from __future__ import annotations

import dataclasses
import os
import threading

from sparkcv import logs, storage
from sparkcv.errors import StorageError, UnavailableError

__all__ = ["Mirror"]

_CLOSE_TIMEOUT_S = 30.0
_log = logs.get(__name__)


@dataclasses.dataclass
class _Copy:
    """One file: ``wanted`` of its bytes are to be copied, ``sent`` are; ``start`` were in the stored file before."""

    path: str
    url: str
    start: int
    wanted: int = 0
    sent: int = 0
    tried: int = 0  # what ``sent`` is if the append under way, or the last that failed, arrived
    is_measured: bool = False


class Mirror:
    """Appends to stored files what local ones gained; a context manager.

    A file is copied up to where it ended at the last ``grow``: called where it ends with a whole line or record, it
    shows a reader of the copy no half one. What a storage refuses, being full for example, is tried again at the next
    ``grow``, from the byte at which the stored file ends. A storage that does not answer for as long as storage waits
    ends the copying, and ``check`` raises that.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._copies: list[_Copy] = []  # only ever appended to
        self._is_due = self._is_closing = self._is_behind = False
        self._error: UnavailableError | None = None
        self._thread = threading.Thread(target=self._work, name="sparkcv-mirror", daemon=True)
        self._thread.start()

    def __enter__(self) -> Mirror:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def add(self, path: str, url: str) -> None:
        """Copy the local file ``path`` behind the end of ``url``, which need not be there."""
        start = storage.size(url) if storage.exists(url) else 0
        with self._changed:
            self._copies.append(_Copy(path, url, start))

    def grow(self) -> None:
        """Copy the files as they are now, in the background; return at once."""
        with self._changed:
            for copy in self._copies:
                copy.wanted = os.path.getsize(copy.path) if os.path.exists(copy.path) else 0
            self._is_due = True
            self._changed.notify_all()

    def check(self) -> None:
        """Raise UnavailableError if the storage did not answer."""
        if self._error is not None:
            raise self._error

    def close(self, timeout_s: float = _CLOSE_TIMEOUT_S) -> None:
        """Copy what is left and end the thread; log what the storage does not take. Calling it twice is fine."""
        with self._changed:
            self._is_closing = True
            self._changed.notify_all()
        self._thread.join(timeout_s)
        missing = sum(copy.wanted - copy.sent for copy in self._copies)
        if missing and not self._is_behind:
            _log.warning("the last %d bytes of the run's record did not reach %s", missing, self._copies[0].url)

    def _work(self) -> None:
        is_last = False
        while not is_last:
            with self._changed:
                while not (self._is_due or self._is_closing):
                    self._changed.wait()
                is_last, self._is_due = self._is_closing, False
            try:
                self._copy_all()
            except UnavailableError as err:
                self._error = err
                return

    def _copy_all(self) -> None:
        for copy in self._copies:
            try:
                self._send(copy)
            except UnavailableError:
                raise
            except (StorageError, OSError) as err:
                if not self._is_behind:
                    _log.warning("the run's record is behind, it is tried again: %s", err)
                self._is_behind = True
                return
        self._is_behind = False

    def _send(self, copy: _Copy) -> None:
        if copy.tried != copy.sent:  # the append failed, which does not mean that nothing of it arrived
            stored = storage.size(copy.url) if storage.exists(copy.url) else 0
            copy.tried = copy.sent = min(max(stored - copy.start, copy.sent), copy.tried)
        with open(copy.path, "rb") as file:
            file.seek(copy.sent)
            data = file.read(copy.wanted - copy.sent)
        if not data:
            return
        copy.tried = copy.sent + len(data)
        storage.append_bytes(copy.url, data)
        copy.sent = copy.tried
        if copy.start and not copy.is_measured:  # HDFS does not know the length of a file that a killed writer left
            copy.start, copy.is_measured = storage.size(copy.url) - copy.sent, True
