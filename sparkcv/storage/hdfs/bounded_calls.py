"""Run calls that may never return on daemon threads, so that the caller can give them up.

hdfs-native blocks for ever on a NameNode that accepts a connection and does not answer. A thread stuck in it holds
no lock of Python's and, being a daemon, does not keep the process from ending.
"""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Callable
from typing import Any

_IDLE_S = 5.0


class PendingCall:
    """A call under way on another thread.

    Attributes:
        result: what it returned, once ``wait`` returned True and there is no error.
        error: what it raised.
        beat_s: monotonic time when it began, or last called ``beat``.
    """

    def __init__(self, function: Callable[[], Any]) -> None:
        self._function = function
        self._ended = threading.Event()
        self.beat_s = time.monotonic()
        self.result: Any = None
        self.error: BaseException | None = None

    def wait(self, timeout_s: float) -> bool:
        """Return whether the call ended within the time."""
        return self._ended.wait(max(0.0, timeout_s))

    def run(self) -> None:
        """Make the call, on the thread of a worker."""
        _current.call = self
        try:
            self.result = self._function()
        except BaseException as err:  # noqa: BLE001 - a panic is no Exception
            self.error = err
        _current.call = None
        self._ended.set()


class _Workers:
    """Threads, as many as calls are under way or stuck; an idle one waits a few seconds for the next call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[queue.SimpleQueue[PendingCall]] = []

    def submit(self, call: PendingCall) -> None:
        with self._lock:
            inbox = self._idle.pop() if self._idle else None
        if inbox is None:
            inbox = queue.SimpleQueue()
            threading.Thread(target=self._serve, args=(inbox,), name="hdfs-call", daemon=True).start()
        inbox.put(call)

    def _serve(self, inbox: queue.SimpleQueue[PendingCall]) -> None:
        call: PendingCall | None = inbox.get()
        while call is not None:
            call.run()
            call = None  # a result of many bytes must not stay until the next call
            with self._lock:
                self._idle.append(inbox)
            call = self._next(inbox)

    def _next(self, inbox: queue.SimpleQueue[PendingCall]) -> PendingCall | None:
        try:
            return inbox.get(timeout=_IDLE_S)
        except queue.Empty:
            with self._lock:
                if inbox in self._idle:
                    self._idle.remove(inbox)
                    return None
            return inbox.get()  # it was taken just now


_workers = _Workers()
_current = threading.local()


def beat() -> None:
    """Report progress from within a call of many steps, so that it is not given up."""
    call: PendingCall | None = getattr(_current, "call", None)
    if call is not None:
        call.beat_s = time.monotonic()


def submit(function: Callable[[], Any]) -> PendingCall:
    """Start a call on another thread and return at once."""
    call = PendingCall(function)
    _workers.submit(call)
    return call


def _after_fork() -> None:
    global _workers
    _workers = _Workers()


os.register_at_fork(after_in_child=_after_fork)  # the threads stayed in the parent
