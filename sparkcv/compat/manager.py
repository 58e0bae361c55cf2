"""What a program finds as ``ctx.mgr``: its rows, its state, and queues of its own.

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
    """State by key, rows by queue; ``intake`` is None where Spark feeds nothing."""

    def __init__(
        self, queues: Sequence[str] = (), intake: Receiver | None = None, on_enough: Callable[[], None] | None = None
    ):
        self._pid = os.getpid()
        self._intake, self._on_enough = intake, on_enough
        self._lock = threading.Lock()
        self._values: dict[str, Any] = {"state": "running"}
        self._own = {name: queue.Queue[Any]() for name in queues if intake is None or name not in intake.queues}

    def get(self, key: str) -> Any:
        """The value of ``key``; ``"state"`` is "running" or "terminating"."""
        with self._lock:
            return self._values.get(key)

    def set(self, key: str, value: Any) -> None:
        """Keeps ``value`` under ``key``."""
        with self._lock:
            self._values[key] = value

    def get_queue(self, name: str) -> Any:
        """The queue of that name: rows that are fed, or one of the program's own; raises UsageError for any other."""
        if name in self._own:
            return self._own[name]
        return self.intake.queue(name)

    @property
    def intake(self) -> Receiver:
        """Where rows come in; raises UsageError where none can."""
        if self._intake is None:
            raise UsageError("rows are fed with InputMode.SPARK only, and only to workers")
        if os.getpid() != self._pid:
            raise UsageError(
                "the rows are in the process that map_fun was called in, not in one that it started: take batches "
                "there, and hand them on"
            )
        return self._intake

    def terminate(self) -> None:
        """Lets the feeding end here and now."""
        self.set("state", "terminating")
        self.intake.terminate()
        if self._on_enough is not None:
            self._on_enough()
