"""A role's log: drained as fast as it comes, in bounded memory, whatever the program prints.

The last lines are for the report, the new ones go to the driver with each beat, and the whole goes to storage.
"""

import collections
import os
import selectors
import threading
from collections.abc import Iterable, Sequence

from sparkcv import storage
from sparkcv.channel import messages
from sparkcv.errors import SparkcvError

__all__ = ["LogUploader", "RoleLog", "bounded_lines", "fitting"]

TAIL_LINES = 40
_MAX_LIVE_LINES = 300  # between two beats; what is more is counted, not sent
_MAX_LINE_CHARS = 500
_MAX_LINE_BYTES = 64 * 1024
_READ_BYTES = 256 * 1024
_POLL_S = 0.2

MAX_KEPT_BYTES = 64 * 2**20  # of one role's log in storage
_MAX_PENDING_BYTES = 2**20
_UPLOAD_EVERY_S = 2.0


class RoleLog:
    """Reads a pipe to its end in a thread of its own; start it once, ``close()`` it once the process is gone."""

    def __init__(self, fd: int, uploader: "LogUploader | None" = None):
        """Take over ``fd``, the reading end of the process's stdout and stderr."""
        self._fd, self._uploader = fd, uploader
        self._lock = threading.Lock()
        self._live: collections.deque[bytes] = collections.deque(maxlen=_MAX_LIVE_LINES)
        self._tail: collections.deque[bytes] = collections.deque(maxlen=TAIL_LINES)
        self._num_dropped = 0
        self._rest = b""
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._drain, name="sparkcv-rolelog", daemon=True)
        self._thread.start()

    def take_live(self) -> tuple[list[str], int]:
        """Return the lines since the last call, the newest of too many for one message, and how many are left out."""
        with self._lock:
            lines, dropped = list(self._live), self._num_dropped
            self._live.clear()
            self._num_dropped = 0
        kept = bounded_lines(lines)
        return kept, dropped + len(lines) - len(kept)

    def tail(self) -> list[str]:
        """Return the last lines, at most ``TAIL_LINES``, fewer if they are long."""
        with self._lock:
            return bounded_lines(list(self._tail))

    def close(self, timeout_s: float) -> None:
        """Read what is left and end; a grandchild that holds the pipe open is waited for ``timeout_s`` only."""
        self._thread.join(timeout_s)
        self._closing.set()
        self._thread.join(10 * _POLL_S)

    def _drain(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._fd, selectors.EVENT_READ)
            while not self._closing.is_set():
                if not selector.select(_POLL_S):
                    continue
                data = os.read(self._fd, _READ_BYTES)
                if not data:
                    break
                self._add(data)
                if self._uploader is not None:
                    self._uploader.add(data)
        if self._rest:
            self._append([self._rest])
        os.close(self._fd)

    def _add(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _MAX_LINE_BYTES:  # a program that never ends a line
            lines.append(self._rest)
            self._rest = b""
        if lines:
            self._append(lines)

    def _append(self, lines: Sequence[bytes]) -> None:
        with self._lock:
            self._num_dropped += max(0, len(self._live) + len(lines) - _MAX_LIVE_LINES)
            self._live.extend(lines)
            self._tail.extend(lines)


def bounded_lines(lines: Sequence[bytes]) -> list[str]:
    """Return the last of ``lines`` as text that fits one message; long ones are cut, rewritten ones show their end."""
    return fitting(map(_as_seen, reversed(lines)))


def fitting(newest_first: Iterable[str]) -> list[str]:
    """Return the newest lines that fit one message, in the order in which they came."""
    kept: list[str] = []
    room = messages.MAX_LINES_BYTES - 16
    for text in newest_first:
        room -= messages.json_size(text) + 1
        if room < 0:
            break
        kept.append(text)
    return kept[::-1]


def _as_seen(line: bytes) -> str:
    # A progress bar rewrites its line by carriage returns: its last state is the one a person would see.
    text = line.rstrip(b"\r").rpartition(b"\r")[2].decode(errors="replace")
    return text if len(text) <= _MAX_LINE_CHARS else text[:_MAX_LINE_CHARS] + " [cut]"


class LogUploader:
    """Appends a role's log to a storage URL from its own thread: slow storage never slows the program down.

    At most ``max_bytes`` are kept, then only the end. What is appended ends with a whole line, for those who read it
    meanwhile. A failing storage is tried again; it costs the log, not the run: see ``take_error``.
    """

    def __init__(self, url: str, *, max_bytes: int = MAX_KEPT_BYTES):
        self._url, self._room = url, max_bytes
        self._condition = threading.Condition()
        self._pending = bytearray()
        self._num_lost = 0
        self._is_closing = False
        self._untold = ""
        self._is_failing = False
        self._thread = threading.Thread(target=self._run, name="sparkcv-logupload", daemon=True)
        self._thread.start()

    def add(self, data: bytes) -> None:
        """Take ``data`` if there is room for it, and count it as lost if there is none; never blocks."""
        with self._condition:
            taken = min(len(data), self._room, max(0, _MAX_PENDING_BYTES - len(self._pending)))
            self._pending += data[:taken]
            self._room -= taken
            self._num_lost += len(data) - taken

    def take_error(self) -> str:
        """Return why the log cannot be kept now, once; "" if it is kept, or that was returned before."""
        with self._condition:
            told, self._untold = self._untold, ""
            return told

    def close(self, tail: Sequence[str], timeout_s: float) -> None:
        """Write what is left, and ``tail`` if something was lost before it; give up after ``timeout_s``."""
        with self._condition:
            if self._num_lost:
                end = "\n".join(tail)
                self._pending += f"\n[{self._num_lost} bytes are left out here; the last lines:]\n{end}\n".encode()
            self._is_closing = True
            self._condition.notify()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        is_last = False
        while not is_last:
            with self._condition:
                if not self._is_closing:
                    self._condition.wait(_UPLOAD_EVERY_S)
                is_last = self._is_closing
                data = self._take(to_the_end=is_last)
            if data:
                self._append(data)

    def _take(self, to_the_end: bool) -> bytes:
        end = len(self._pending) if to_the_end else self._pending.rfind(b"\n") + 1
        if not end and len(self._pending) > _MAX_LINE_BYTES:  # a program that never ends a line
            end = len(self._pending)
        data = bytes(self._pending[:end])
        del self._pending[:end]
        return data

    def _append(self, data: bytes) -> None:
        try:
            storage.append_bytes(self._url, data)
            self._is_failing = False
        except SparkcvError as err:
            with self._condition:
                self._pending[:0] = data
                if not self._is_failing:
                    self._untold = f"the log is not kept while this lasts: {err}"
                self._is_failing = True
