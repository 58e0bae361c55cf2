"""The ``ctx.mgr`` of a program: its rows, its state, and queues of its own.

In TensorFlowOnSpark it is a process of its own that anybody with its key can tell to run code. Here the program's
process holds all of it, so it is this process's only: a child that was forked has none of the rows.
"""

import os
import queue
import threading
from collections.abc import Callable, Sequence
from typing import Any

from sparkcv.errors import UsageError
from sparkcv.feeding.receiver import Receiver

__all__ = ["Manager"]


class Manager:
    """State by key, rows by queue; ``receiver`` is None where Spark feeds nothing."""

    def __init__(
        self, queues: Sequence[str] = (), receiver: Receiver | None = None, on_enough: Callable[[], None] | None = None
    ):
        self._pid = os.getpid()
        self._receiver, self._on_enough = receiver, on_enough
        self._lock = threading.Lock()
        self._values: dict[str, Any] = {"state": "running"}
        self._own = {name: queue.Queue[Any]() for name in queues if receiver is None or name not in receiver.queues}

    def get(self, key: str) -> Any:
        """Return the value of ``key``; ``"state"`` is "running" or "terminating"."""
        with self._lock:
            return self._values.get(key)

    def set(self, key: str, value: Any) -> None:
        """Keep ``value`` under ``key``."""
        with self._lock:
            self._values[key] = value

    def get_queue(self, name: str) -> Any:
        """Return the queue of that name, of fed rows or of the program's own; raise UsageError for any other."""
        if name in self._own:
            return self._own[name]
        return self.receiver.queue(name)

    @property
    def receiver(self) -> Receiver:
        """The receiver of the rows; raises UsageError where none are fed."""
        if self._receiver is None:
            raise UsageError("rows are fed with InputMode.SPARK only, and only to workers")
        if os.getpid() != self._pid:
            raise UsageError(
                "the rows are in the process that map_fun was called in, not in one that it started: take batches "
                "there, and hand them on"
            )
        return self._receiver

    def terminate(self) -> None:
        """End the feeding at once."""
        self.set("state", "terminating")
        self.receiver.terminate()
        if self._on_enough is not None:
            self._on_enough()
