"""The launcher for programs that Spark feeds: agents that outlive their Spark tasks, so that the slots are free again.

Each agent is a process of its own beside its task. Seats that are to ``hold`` their slot keep the task waiting; the
others let it go once all are seated. A seat may also be ``on_driver``: the same process, on the driver's own host. All
of them keep a connection to the driver, by which they exchange their texts, are ended, and are missed when they die.
"""

import contextlib
import functools
import os
import tempfile
import threading
from collections.abc import Collection
from typing import TYPE_CHECKING

from sparkcv.channel.control import new_secret
from sparkcv.channel.listener import Listener
from sparkcv.channel.stream import Stream
from sparkcv.errors import ChannelError
from sparkcv.launchers import Body, Slots, TaskSlot
from sparkcv.launchers.barrier import BarrierLaunch, BarrierLauncher
from sparkcv.launchers.detached_task import TaskOrder, TaskProcess, start_task
from sparkcv.spark.memory import ExecutorMemory

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["DetachedLaunch", "DetachedLauncher"]

_POLL_S = 0.2
_SEATING_TIMEOUT_S = 60.0
_CONVERSATION_S = 3600.0
_ON_DRIVER = "driver."


class DetachedLauncher:
    """Starts agents by a barrier stage of ``spark``, but those at ``on_driver``, by index, which it starts here."""

    def __init__(self, spark: "SparkSession", *, hold: Collection[int] = (), on_driver: Collection[int] = ()):
        """Raises ClusterError for a session that cannot run barrier stages."""
        self._spark, self._barrier = spark, BarrierLauncher(spark)
        self._hold, self._on_driver = frozenset(hold), frozenset(on_driver)

    def slots(self) -> Slots:
        """Those of Spark, and the driver's own seats."""
        slots, more = self._barrier.slots(), len(self._on_driver)
        return Slots(slots.now + more, None if slots.most is None else slots.most + more)

    def granted(self) -> int | None:
        """As Spark's, and the driver's own seats."""
        granted = self._barrier.granted()
        return None if granted is None else granted + len(self._on_driver)

    def bind_host(self) -> tuple[str, str]:
        """Spark's own answer."""
        return self._barrier.bind_host()

    def launch(self, name: str, count: int, body: Body) -> "DetachedLaunch":
        """Submits the stage and starts the driver's seats."""
        return DetachedLaunch(self._spark, name, count, body, self._hold, self._on_driver, self.bind_host())


class DetachedLaunch:
    """Seats under way, whether Spark's tasks are still beside them or not."""

    def __init__(
        self,
        spark: "SparkSession",
        name: str,
        count: int,
        body: Body,
        hold: Collection[int],
        on_driver: Collection[int],
        bind_host: tuple[str, str],
    ):
        """Starts everything and returns at once."""
        self._count, secret = count, new_secret()
        self._changed = threading.Condition()
        self._said: dict[int, str] = {}
        self._streams: dict[int, Stream] = {}
        self._ended: dict[int, str] = {}  # index -> why; "" for a body that returned
        self._error, self._first_complaint, self._is_cancelled = "", "", False
        self._listener = Listener(bind_host[0], secret, self._serve, "seats")
        order = TaskOrder((bind_host[1], self._listener.port), secret, body)
        in_tasks = [index for index in range(count) if index not in on_driver]
        self._stack = contextlib.ExitStack()
        self._own: dict[int, TaskProcess] = {}
        if on_driver:
            root = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="sparkcv-driver-"))
            for index in sorted(on_driver):
                seat = TaskSlot(index, bind_host[1], f"{_ON_DRIVER}{index}", root, list)
                self._own[index] = TaskProcess(order, seat, os.getpid())
        self._stage: BarrierLaunch | None = None
        if in_tasks:
            seated = functools.partial(start_task, order, tuple(in_tasks), frozenset(hold))
            self._stage = BarrierLaunch(spark, name, len(in_tasks), seated)
        self._thread = threading.Thread(target=self._watch, name="sparkcv-seats", daemon=True)
        self._thread.start()

    def is_over(self) -> bool:
        """Whether every seat has ended."""
        return not self._thread.is_alive()

    def error(self) -> str:
        """What ended the launch first: a body that raised, a seat that was lost, or Spark's own word."""
        return self._error if self.is_over() else ""

    def place(self, task: str) -> str:
        """The executor in Spark's books, or the driver."""
        return "the driver" if task.startswith(_ON_DRIVER) else self._stage.place(task) if self._stage else ""

    def loss(self, task: str) -> str:
        """Why Spark removed that executor."""
        return self._stage.loss(task) if self._stage and not task.startswith(_ON_DRIVER) else ""

    def complaint(self, task: str) -> str:
        """The first seat's error, or what Spark first held against one."""
        spark = self._stage.complaint(task) if self._stage and not task.startswith(_ON_DRIVER) else ""
        return self._first_complaint or spark

    def stopped(self) -> str:
        """Says it when the whole Spark application has ended."""
        return self._stage.stopped() if self._stage else ""

    def memory(self) -> ExecutorMemory | None:
        """By Spark's properties."""
        return self._stage.memory() if self._stage else None

    def cancel(self) -> None:
        """Ends Spark's job and every seat."""
        self._is_cancelled = True
        if self._stage is not None:
            self._stage.cancel()
        with self._changed:
            streams = list(self._streams.values())
        for stream in streams:
            with contextlib.suppress(ChannelError):  # it has ended by itself
                stream.send(["cancel"])
        for process in self._own.values():
            process.kill()

    def join(self, timeout_s: float) -> bool:
        """Waits until every seat has ended."""
        self._thread.join(timeout_s)
        return self.is_over()

    def _serve(self, stream: Stream) -> None:
        """Talks with one seat until it hangs up."""
        match stream.receive(_SEATING_TIMEOUT_S):
            case ["seat", int(index)] if 0 <= index < self._count:
                pass
            case other:
                raise ChannelError(f"expected a seat, got {str(other)[:80]}")
        with self._changed:
            if index in self._streams:
                raise ChannelError(f"seat {index} is taken")
            self._streams[index] = stream
        why = f"seat {index} was lost: its process died"
        try:
            if self._is_cancelled:
                stream.send(["cancel"])
            while True:
                match stream.receive(_CONVERSATION_S):
                    case None:
                        pass
                    case ["text", str(text)]:
                        self._exchange(index, text)
                    case ["end", str(error)]:
                        why = error
                        return
                    case other:
                        raise ChannelError(f"expected a seat's word, got {str(other)[:80]}")
        finally:
            with self._changed:
                self._ended[index] = why
                self._changed.notify_all()

    def _exchange(self, index: int, text: str) -> None:
        with self._changed:
            self._said[index] = text
            if len(self._said) < self._count:
                return
            texts, self._said = [self._said[at] for at in range(self._count)], {}
            streams = list(self._streams.values())
        for stream in streams:
            with contextlib.suppress(ChannelError):  # its own thread hears of it
                stream.send(["texts", texts])

    def _watch(self) -> None:
        """Sees all seats to their end; the first that fails ends all, as a task that fails ends a stage."""
        is_told = False
        while True:
            with self._changed:
                self._changed.wait(_POLL_S)
                failed = next((why for why in self._ended.values() if why), "")
                num_open = len(self._streams) - len(self._ended)
            stage_over = self._stage is None or self._stage.is_over()
            error = failed or (self._stage.error() if self._stage else "") or self._own_failure()
            if error and not is_told:
                self._error, self._first_complaint, is_told = error, failed, True
                self.cancel()
            if stage_over and not num_open and not any(one.is_running() for one in self._own.values()):
                break
        self._listener.close()
        for process in self._own.values():
            process.close()
        self._stack.close()
        if self._is_cancelled and not self._error:
            self._error = "the launch was cancelled"

    def _own_failure(self) -> str:
        """Of the driver's own seats: one that ended before it had said so."""
        with self._changed:
            gone = [index for index, one in self._own.items() if not one.is_running() and index not in self._ended]
            gone = [index for index in gone if index not in self._streams]
        return f"seat {gone[0]} on the driver ended before it was seated" if gone else ""
