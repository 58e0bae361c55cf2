"""Launch agents that outlive their Spark tasks, for programs that Spark feeds: it needs the task slots for the rows.

Each agent is a process of its own beside its task (detached_task.py, which has the protocol). The task of an agent
that is to ``hold`` its slot waits for its end; the others end once all agents run. An agent may also be ``on_driver``:
the same process, on the driver's own host. All keep a connection to the driver, over which they exchange their texts
and are cancelled, and whose loss tells that one has died.
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
_JOIN_TIMEOUT_S = 60.0
_RECEIVE_POLL_S = 3600.0  # one call of receive(); it is called again
_ON_DRIVER = "driver."


class DetachedLauncher:
    """Start agents by a barrier stage of ``spark``, except those of the indices ``on_driver``."""

    def __init__(self, spark: "SparkSession", *, hold: Collection[int] = (), on_driver: Collection[int] = ()):
        """Raise ClusterError for a session that cannot run barrier stages."""
        self._spark, self._barrier = spark, BarrierLauncher(spark)
        self._hold, self._on_driver = frozenset(hold), frozenset(on_driver)

    def slots(self) -> Slots:
        """Return Spark's slots and those on the driver."""
        slots, more = self._barrier.slots(), len(self._on_driver)
        return Slots(slots.now + more, None if slots.most is None else slots.most + more)

    def granted(self) -> int | None:
        """Return what Spark has been granted and the slots on the driver."""
        granted = self._barrier.granted()
        return None if granted is None else granted + len(self._on_driver)

    def obstacle(self, num_missing: int) -> str:
        """Return what BarrierLauncher does."""
        return self._barrier.obstacle(num_missing)

    def bind_host(self) -> tuple[str, str]:
        """Return what BarrierLauncher does."""
        return self._barrier.bind_host()

    def launch(self, name: str, count: int, body: Body) -> "DetachedLaunch":
        """Submit the stage and start the agents on the driver."""
        return DetachedLaunch(self._spark, name, count, body, self._hold, self._on_driver, self.bind_host())


class DetachedLaunch:
    """Agents that were launched, whether Spark's tasks still run beside them or not."""

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
        """Start everything and return at once."""
        self._count, secret = count, new_secret()
        self._changed = threading.Condition()
        self._texts: dict[int, str] = {}
        self._streams: dict[int, Stream] = {}
        self._ended: dict[int, str] = {}  # index -> why; "" for a body that returned
        self._error, self._first_failure, self._is_cancelled = "", "", False
        self._listener = Listener(bind_host[0], secret, self._serve, "slots")
        order = TaskOrder((bind_host[1], self._listener.port), secret, body)
        in_tasks = [index for index in range(count) if index not in on_driver]
        self._stack = contextlib.ExitStack()
        self._own: dict[int, TaskProcess] = {}
        self._stage: BarrierLaunch | None = None
        try:
            if on_driver:
                root = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="sparkcv-driver-"))
                for index in sorted(on_driver):
                    slot = TaskSlot(index, bind_host[1], f"{_ON_DRIVER}{index}", root, list)
                    self._own[index] = TaskProcess(order, slot, os.getpid())
            if in_tasks:
                start = functools.partial(start_task, order, tuple(in_tasks), frozenset(hold))
                self._stage = BarrierLaunch(spark, name, len(in_tasks), start)
        except BaseException:
            for process in self._own.values():
                process.kill()
            self._close()
            raise
        self._thread = threading.Thread(target=self._watch, name="sparkcv-slots", daemon=True)
        self._thread.start()

    def is_over(self) -> bool:
        """Tell whether every agent has ended."""
        return not self._thread.is_alive()

    def error(self) -> str:
        """Return what ended the launch first: a body that raised, an agent that died, or Spark's own error."""
        return self._error if self.is_over() else ""

    def place(self, task: str) -> str:
        """Return the executor as Spark calls it, or "the driver"."""
        return "the driver" if task.startswith(_ON_DRIVER) else self._stage.place(task) if self._stage else ""

    def loss(self, task: str) -> str:
        """Return why Spark removed that executor."""
        return self._stage.loss(task) if self._stage and not task.startswith(_ON_DRIVER) else ""

    def complaint(self, task: str) -> str:
        """Return the error of the slot that failed first, or of the first task that failed in Spark."""
        spark = self._stage.complaint(task) if self._stage and not task.startswith(_ON_DRIVER) else ""
        return self._first_failure or spark

    def stopped(self) -> str:
        """Return why the whole Spark application has ended; "" if it has not."""
        return self._stage.stopped() if self._stage else ""

    def memory(self) -> ExecutorMemory | None:
        """Return what Spark's properties give to an executor."""
        return self._stage.memory() if self._stage else None

    def cancel(self) -> None:
        """End Spark's job and every agent."""
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
        """Wait until every agent has ended."""
        self._thread.join(timeout_s)
        return self.is_over()

    def _serve(self, stream: Stream) -> None:
        """Exchange messages with one agent until it ends."""
        match stream.receive(_JOIN_TIMEOUT_S):
            case ["slot", int(index)] if 0 <= index < self._count:
                pass
            case other:
                raise ChannelError(f"expected the agent of a task slot, got {str(other)[:80]}")
        with self._changed:
            if index in self._streams:
                raise ChannelError(f"task slot {index} is taken")
            self._streams[index] = stream
        why = f"task slot {index} was lost: its process died"
        try:
            if self._is_cancelled:
                stream.send(["cancel"])
            while True:
                match stream.receive(_RECEIVE_POLL_S):
                    case None:
                        pass
                    case ["text", str(text)]:
                        self._exchange(index, text)
                    case ["end", str(error)]:
                        why = error
                        return
                    case other:
                        raise ChannelError(f"expected a text or an end, got {str(other)[:80]}")
        finally:
            with self._changed:
                self._ended[index] = why
                self._changed.notify_all()

    def _exchange(self, index: int, text: str) -> None:
        with self._changed:
            self._texts[index] = text
            if len(self._texts) < self._count:
                return
            texts, self._texts = [self._texts[at] for at in range(self._count)], {}
            streams = list(self._streams.values())
        for stream in streams:
            with contextlib.suppress(ChannelError):  # the thread that receives from it notices
                stream.send(["texts", texts])

    def _watch(self) -> None:
        """Wait for the end of all agents; the first that fails ends all, as a task that fails ends a stage."""
        is_told = False
        while True:
            with self._changed:
                self._changed.wait(_POLL_S)
                failed = next((why for why in self._ended.values() if why), "")
                num_open = len(self._streams) - len(self._ended)
            stage_over = self._stage is None or self._stage.is_over()
            error = failed or (self._stage.error() if self._stage else "") or self._own_failure()
            if error and not is_told:
                self._error, self._first_failure, is_told = error, failed, True
                self.cancel()
            if stage_over and not num_open and not any(one.is_running() for one in self._own.values()):
                break
        self._close()
        if self._is_cancelled and not self._error:
            self._error = "the launch was cancelled"

    def _close(self) -> None:
        """Close the connections, and reap the processes on the driver, which have ended or are about to."""
        self._listener.close()
        for process in self._own.values():
            process.close()
        self._stack.close()

    def _own_failure(self) -> str:
        """Return the error of an agent on the driver that ended before it had connected; "" if there is none."""
        with self._changed:
            gone = [index for index, one in self._own.items() if not one.is_running() and index not in self._ended]
            gone = [index for index in gone if index not in self._streams]
        return f"task slot {gone[0]} on the driver ended before its agent ran" if gone else ""
