"""Calls that may never return, each on a daemon thread: who waits for one can give it up.

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
    """A call under way; after ``wait`` said yes it holds its ``result`` or its ``error``.

    ``beat_s`` is when it began, or last said by ``beat`` that it goes on.
    """

    def __init__(self, function: Callable[[], Any]) -> None:
        self._function = function
        self._ended = threading.Event()
        self.beat_s = time.monotonic()
        self.result: Any = None
        self.error: BaseException | None = None

    def wait(self, timeout_s: float) -> bool:
        """Tell whether the call ended within the time."""
        return self._ended.wait(max(0.0, timeout_s))

    def run(self) -> None:
        """Make the call; for the worker."""
        _current.ticket = self
        try:
            self.result = self._function()
        except BaseException as err:  # noqa: BLE001 - a panic is no Exception
            self.error = err
        self._ended.set()


class _Workers:
    """Threads that are kept for the next call for a few seconds; as many as calls are under way or stuck."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[queue.SimpleQueue[PendingCall]] = []

    def submit(self, ticket: PendingCall) -> None:
        with self._lock:
            inbox = self._idle.pop() if self._idle else None
        if inbox is None:
            inbox = queue.SimpleQueue()
            threading.Thread(target=self._serve, args=(inbox,), name="hdfs-call", daemon=True).start()
        inbox.put(ticket)

    def _serve(self, inbox: queue.SimpleQueue[PendingCall]) -> None:
        ticket: PendingCall | None = inbox.get()
        while ticket is not None:
            ticket.run()
            ticket = None  # a result of many bytes must not stay until the next call
            with self._lock:
                self._idle.append(inbox)
            ticket = self._next(inbox)

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
    """Say, from within a call of many steps, that it goes on."""
    ticket = getattr(_current, "ticket", None)
    if ticket is not None:
        ticket.beat_s = time.monotonic()


def submit(function: Callable[[], Any]) -> PendingCall:
    """Start a call on another thread."""
    ticket = PendingCall(function)
    _workers.submit(ticket)
    return ticket


def _forget() -> None:
    global _workers
    _workers = _Workers()


os.register_at_fork(after_in_child=_forget)  # the threads stayed in the parent
