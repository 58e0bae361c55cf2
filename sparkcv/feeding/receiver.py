"""Receive rows from Spark's tasks in a worker, and send results back.

A task may have ``WINDOW_BYTES`` on the way that were not taken yet; that bounds the memory here without anybody ever
blocking anybody else: not the trainer a task, nor one task another.
"""

import collections
import dataclasses
import threading
from collections.abc import Sequence
from typing import Any

from sparkcv.channel.listener import Listener
from sparkcv.channel.stream import Stream
from sparkcv.errors import ChannelError, DataError, UsageError
from sparkcv.feeding.chunks import MOST_ROW_BYTES, chunks
from sparkcv.feeding.row_queue import RowQueue, Taken

__all__ = ["Receiver", "WINDOW_BYTES"]

WINDOW_BYTES = 4 * 1024 * 1024
_RECEIVE_POLL_S = 3600.0  # one call of receive(); it is called again
NOT_FEEDABLE = ("output", "error")  # queues of stock's that nobody feeds


class _Task:
    """One feeding task, as the worker sees it."""

    def __init__(self, stream: Stream, queue: RowQueue, wants_results: bool):
        self.stream, self.queue, self.wants_results = stream, queue, wants_results
        self.lock = threading.Lock()
        self.waiting: dict[int, int] = {}  # bytes by number of chunk
        self.results: dict[int, list[Any]] = {}

    def taken(self, number: int) -> None:
        """Let the task send as many bytes more."""
        with self.lock:
            self.waiting.pop(number, None)
        self.send(["taken", number])

    def send(self, message: list[Any]) -> None:
        """Send it; that a task is gone is noticed by the thread that receives from it."""
        try:
            self.stream.send(message)
        except ChannelError:
            self.stream.close()  # half of the message may be out: the task comes again, where it still is there


@dataclasses.dataclass
class _Owed:
    """Rows that were taken and wait for their results."""

    task: _Task
    number: int
    count: int
    missing: int


class Receiver:
    """Receives from any number of tasks at once. A context manager; closing twice is fine."""

    def __init__(self, host: str, secret: bytes, queues: Sequence[str]):
        """Listen on ``host``; raise ChannelError if that cannot be."""
        self.queues = {name: RowQueue() for name in queues if name not in NOT_FEEDABLE}
        self._lock = threading.Lock()
        self._tasks: set[_Task] = set()
        self._owed: collections.deque[_Owed] = collections.deque()
        self.has_enough = False
        self._listener = Listener(host, secret, self._serve, "feeding")
        self.port = self._listener.port

    def __enter__(self) -> "Receiver":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def queue(self, name: str) -> RowQueue:
        """Return the rows of that name; raise UsageError if the cluster has no such queue."""
        found = self.queues.get(name)
        if found is None:
            raise UsageError(f"this cluster has no queue {name!r} to be fed, only {', '.join(sorted(self.queues))}")
        return found

    def end(self) -> None:
        """Note that nothing more will come."""
        for queue in self.queues.values():
            queue.end()

    def state(self) -> tuple[bool, float]:
        """Tell whether the program waits for a row and has none, and how many seconds ago it last took one."""
        queues = self.queues.values()
        return any(queue.is_starved() for queue in queues), min(queue.idle_s() for queue in queues)

    def terminate(self) -> None:
        """Drop what waits, and tell every task, now and later, that it is enough."""
        with self._lock:
            self.has_enough = True
            tasks = set(self._tasks)
        for queue in self.queues.values():
            queue.drop()
        for task in tasks:
            task.send(["enough"])

    def owe(self, taken: Taken) -> None:
        """Note that results are to come for these rows, after those of all rows before them."""
        with self._lock:
            self._owed.append(_Owed(_task_of(taken), taken.number, taken.count, len(taken.rows)))

    def refuse_results(self, taken: Taken) -> None:
        """End the task of these rows if it waits for results, which their reader will not give."""
        task = _task_of(taken)
        if task.wants_results:
            task.wants_results = False
            task.send(["refused", "inference() feeds a program whose DataFeed was made with train_mode=True"])

    def give(self, results: Sequence[Any]) -> None:
        """Send results, one a row, in the order in which the rows were taken.

        Raises DataError if there are more of them than rows, or for one that cannot be carried.
        """
        with self._lock:
            num_owed = sum(owed.missing for owed in self._owed)
            if len(results) > num_owed:
                raise DataError(f"batch_results() got {len(results)} results for {num_owed} rows: one a row is wanted")
            ready = self._assign(list(results))
        for owed, found in ready:
            for chunk in chunks(found, MOST_ROW_BYTES):  # together they may be more than one message holds
                owed.task.send(["results", owed.number, chunk.data])

    def close(self) -> None:
        """Close the connections of all tasks."""
        self._listener.close()

    def _assign(self, results: list[Any]) -> list[tuple[_Owed, list[Any]]]:
        """Assign results to their chunks; return those chunks that have all of theirs now."""
        ready, at = [], 0
        while at < len(results):
            owed = self._owed[0]
            some = results[at : at + owed.missing]
            at += len(some)
            owed.missing -= len(some)
            if not owed.missing:
                self._owed.popleft()
            if not owed.task.wants_results:
                continue
            found = owed.task.results.setdefault(owed.number, [])
            found += some
            if len(found) == owed.count:
                ready.append((owed, owed.task.results.pop(owed.number)))
        return ready

    def _serve(self, stream: Stream) -> None:
        match stream.receive(_RECEIVE_POLL_S):
            case ["feed", str(name), bool(wants_results)]:
                if name not in self.queues:
                    stream.send(["refused", f"the worker has no queue {name!r}, only {', '.join(sorted(self.queues))}"])
                    return
                task = _Task(stream, self.queues[name], wants_results)
            case other:
                raise ChannelError(f"expected a task that feeds, got {str(other)[:80]}")
        with self._lock:
            self._tasks.add(task)
        stream.send(["enough"] if self.has_enough else ["go", WINDOW_BYTES])
        try:
            while True:
                self._handle(task, stream.receive(_RECEIVE_POLL_S))
        finally:
            with self._lock:
                self._tasks.discard(task)
            task.wants_results = False
            task.queue.drop(task)  # Spark starts it again, and it brings all of its rows

    def _handle(self, task: _Task, message: list[Any] | None) -> None:
        match message:
            case None:
                return
            case ["rows", int(number), int(count), bytes(data)] if count > 0:
                with task.lock:
                    if task.waiting and sum(task.waiting.values()) + len(data) > WINDOW_BYTES:
                        raise ChannelError(f"a task sent more than the {WINDOW_BYTES} bytes that it may")
                    task.waiting[number] = len(data)
                if not self.has_enough:
                    task.queue.put(task, number, count, data)
            case ["end"]:
                if not self.has_enough:
                    task.queue.put_end_of_partition(task)
            case other:
                raise ChannelError(f"expected rows or their end, got {str(other)[:80]}")


def _task_of(taken: Taken) -> _Task:
    if not isinstance(taken.source, _Task):
        raise UsageError("these rows came from no feeding task")
    return taken.source
