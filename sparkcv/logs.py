"""Logging: every line says which role speaks; text from data cannot forge a line or colour a terminal."""

import contextlib
import logging
import os
import sys
import time
from typing import TextIO

_ROOT = "sparkcv"
_CLEAR = "\r\x1b[2K"  # back to the line's begin, and empty it
_rewritten: TextIO | None = None  # the terminal on which a progress line stands that has no end yet


def get(name: str) -> logging.Logger:
    """Return the logger of a module, as in ``get(__name__)``."""
    return logging.getLogger(name if name.startswith(_ROOT) else f"{_ROOT}.{name}")


def setup(role: str = "driver", stream: TextIO | None = None) -> None:
    """Send the project's log of this process to ``stream`` (standard error), with ``role`` on each line.

    Calling it again replaces the former set-up, so a process never says a line twice.
    """
    handler = _Handler(stream or sys.stderr)
    handler.setFormatter(_Formatter(role))
    root = logging.getLogger(_ROOT)
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    root.propagate = False


def discard_output() -> None:
    """Send nowhere what this process still prints: its reader has gone, and Python would complain at its own end."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def clean(text: str) -> str:
    """Escape line breaks, ANSI sequences and other control characters, so that data stays on its line.

    Bidirectional overrides count too: they would show a name in another order than it is.
    """
    return "".join(ch if ch.isprintable() else ch.encode("unicode_escape").decode("ascii") for ch in text)


class Progress:
    """Progress of a counted job as lines: done of total, rate, ETA; at most one line every ``interval_s``.

    On a terminal the line is rewritten in place; in a log file each stands on its own.
    """

    def __init__(
        self, what: str, total: int | None, unit: str, *, interval_s: float = 5.0, stream: TextIO | None = None
    ):
        """Start counting ``what`` towards ``total`` (None: unknown) in ``unit``."""
        self._what, self._total, self._unit = what, total, unit
        self._stream = stream or sys.stderr
        self._in_place = self._stream.isatty()
        self._interval_s = 0.5 if self._in_place else interval_s
        self._start_s = self._last_s = time.monotonic()
        self._first: int | None = None
        self.left_s: float | None = None
        """Estimate of the seconds that are left; None while there is none."""

    def update(self, done: int, extra: str = "", *, force: bool = False) -> None:
        """Say that ``done`` units are done; ``extra`` is shown behind the ETA."""
        now = time.monotonic()
        if self._first is None:  # a resumed run starts above 0: its rate must not count what it found
            self._first, self._start_s = done, now
        self.left_s = _left_s(done - self._first, self._total, done, now - self._start_s)
        if not force and now - self._last_s < self._interval_s:
            return
        self._last_s = now
        line = progress_line(self._what, done, self._total, self._unit, now - self._start_s, extra, since=self._first)
        self._say(f"{_CLEAR}{line[: self._num_columns()]}" if self._in_place else f"{line}\n")

    def close(self) -> None:
        """End a line that was rewritten in place."""
        if self._in_place and self._first is not None:
            self._say("\n")

    def _say(self, text: str) -> None:
        global _rewritten
        # As of the log: a reader that has gone, or a full disk under the log's file, costs lines and never the run.
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(text)
            self._stream.flush()
        _rewritten = None if text.endswith("\n") else self._stream

    def _num_columns(self) -> int | None:
        """Return how much a line may have, as the rest of one that wraps cannot be rewritten; None if nothing tells."""
        with contextlib.suppress(OSError, ValueError):
            return max(0, os.get_terminal_size(self._stream.fileno()).columns - 1) or None
        return None


def progress_line(
    what: str, done: int, total: int | None, unit: str, elapsed_s: float, extra: str = "", *, since: int = 0
) -> str:
    """Return a line such as ``train 120/1000 step · 2.1 step/s · ETA 6m58s · loss 1.20``."""
    rate = (done - since) / elapsed_s if elapsed_s > 0 else 0.0
    parts = [f"{what} {done}/{total} {unit}" if total is not None else f"{what} {done} {unit}"]
    if rate > 0:
        parts.append(f"{rate:.1f} {unit}/s" if rate >= 1 else f"{rate:.2f} {unit}/s")
    if left_s := _left_s(done - since, total, done, elapsed_s):
        parts.append(f"ETA {duration(left_s)}")
    if extra:
        parts.append(clean(extra))
    return " · ".join(parts)


def _left_s(new: int, total: int | None, done: int, elapsed_s: float) -> float | None:
    """Estimate the seconds until ``total``, of which ``new`` were done in ``elapsed_s``; None while there is none."""
    return max(0, total - done) * elapsed_s / new if total is not None and new > 0 and elapsed_s > 0 else None


def duration(seconds: float) -> str:
    """Return ``seconds`` as a person says it: ``45s``, ``6m58s``, ``3h05m``."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02d}m"


class _Handler(logging.StreamHandler[TextIO]):
    """Puts no line behind a progress line, which is rewritten after it."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        global _rewritten
        if _rewritten is not None and _rewritten is self.stream:
            _rewritten = None
            with contextlib.suppress(OSError, ValueError):
                self.stream.write(_CLEAR)
        super().emit(record)


class _Formatter(logging.Formatter):
    """``HH:MM:SS role level message``; a traceback, which is for our bugs, follows on its own lines."""

    def __init__(self, role: str):
        super().__init__("%(asctime)s %(role)s %(levelname)s %(message)s", "%H:%M:%S")
        self._role = role

    def format(self, record: logging.LogRecord) -> str:
        """Format one record with its message on one line."""
        record.role = getattr(record, "role", self._role)
        record.levelname = record.levelname.lower()
        record.msg, record.args = clean(record.getMessage()), None
        return super().format(record)
