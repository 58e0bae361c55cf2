"""A seat that is a process of its own: how it is started, what it does, and when it has to end.

It ends with the driver's connection and with the executor's Java process, in whichever way those end; what its body
started goes with it by the body's own guards. ``python -m sparkcv.launchers.detached_task`` is no command for
people.
"""

import contextlib
import dataclasses
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from typing import Any

import psutil

from sparkcv.channel.stream import Stream, connect
from sparkcv.errors import ChannelError, ClusterError
from sparkcv.launchers import Body, TaskSlot
from sparkcv.launchers.python_module import start_module

__all__ = ["TaskOrder", "TaskProcess", "main", "start_task"]

_POLL_S = 0.5
_CONVERSATION_S = 3600.0
_MAX_ERROR_CHARS = 600
_SEATED = "seated"


@dataclasses.dataclass(frozen=True)
class TaskOrder:
    """What every seat of a launch is told, inside Spark's task data.

    Attributes:
        driver: host and port of the launch.
        secret: of the launch; shown nowhere.
        body: what to run.
    """

    driver: tuple[str, int]
    secret: bytes = dataclasses.field(repr=False)
    body: Body


class TaskProcess:
    """One seat's process, as the one that started it sees it."""

    def __init__(self, order: TaskOrder, slot: TaskSlot, host_pid: int):
        """Start it; it ends with the process ``host_pid``. Raises OSError if the system refuses."""
        from pyspark import cloudpickle

        told = {"driver": order.driver, "secret": order.secret.hex(), "host_pid": host_pid}
        told |= {name: getattr(slot, name) for name in ("index", "host", "task", "scratch_root", "gpus")}
        with tempfile.TemporaryFile(dir=slot.scratch_root) as stdin:  # its name is gone at once, and it is this user's
            stdin.write(json.dumps(told).encode() + b"\n")
            stdin.write(cloudpickle.dumps(order.body))  # from Spark's task data, or from this process, to its child
            stdin.seek(0)
            # In a session of its own: who ends the task's process group, such as YARN, ends the executor as well.
            self._process = start_module(
                "sparkcv.launchers.detached_task",
                ["--slot", str(slot.index)],  # not read: so that ps and top show it
                os.environ,
                stdin=stdin,
                stdout=subprocess.PIPE,
                text=True,
            )

    def wait_until_seated(self) -> bool:
        """True once all seats are; false if this one ended before."""
        return self._line() == _SEATED

    def wait(self) -> None:
        """Returns when it has ended well; raises ClusterError with its last words."""
        words = self._line() or ""
        if self._process.wait() != 0:
            raise ClusterError(words or f"the seat's process ended with {self._process.returncode}")

    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def kill(self) -> None:
        """Ends it; fine if it has ended."""
        self._process.kill()

    def close(self) -> None:
        """Reaps it once it has ended; must not be called before."""
        self._process.wait()
        self.let_go()

    def let_go(self) -> None:
        """Hears it no more."""
        if self._process.stdout is not None:
            self._process.stdout.close()

    def _line(self) -> str:
        assert self._process.stdout is not None  # noqa: S101 - Popen was told to make one
        line: str = self._process.stdout.readline()
        return line.rstrip("\n")


def start_task(order: TaskOrder, indices: tuple[int, ...], hold: frozenset[int], seat: TaskSlot) -> None:
    """The Spark task: starts the seat's process, and returns once all are seated, or at its end if it is to hold."""
    seat = dataclasses.replace(seat, index=indices[seat.index])
    process = TaskProcess(order, seat, _java_of_this_task())
    try:
        if not process.wait_until_seated() or seat.index in hold:
            process.wait()
    finally:
        process.let_go()


def main() -> int:
    """Runs the body that stdin holds; 0 if it returned."""
    from pyspark import cloudpickle

    told = json.loads(sys.stdin.buffer.readline())
    body = cloudpickle.loads(sys.stdin.buffer.read())
    _end_with(told["host_pid"])
    try:
        stream = connect((told["driver"][0], told["driver"][1]), bytes.fromhex(told["secret"]))
        stream.send(["seat", told["index"]])
    except ChannelError as err:
        return _say(str(err))
    texts: queue.Queue[list[str]] = queue.Queue()
    has_ended = threading.Event()
    threading.Thread(target=_obey, args=(stream, texts, has_ended), name="sparkcv-seat", daemon=True).start()

    def exchange(text: str) -> list[str]:
        stream.send(["text", text])
        heard = texts.get()
        with contextlib.suppress(OSError):  # the task may be gone, which is its own affair
            print(_SEATED, flush=True)  # noqa: T201 - to the task
        return heard

    parts = {name: told[name] for name in ("index", "host", "task", "scratch_root")}
    try:
        body(TaskSlot(**parts, exchange=exchange, gpus=tuple(told["gpus"])))
    except Exception as err:  # noqa: BLE001 - it travels to the driver
        sentence = f"{type(err).__name__}: {err}"[:_MAX_ERROR_CHARS]
        has_ended.set()
        with contextlib.suppress(ChannelError):
            stream.send(["end", f"seat {told['index']} failed: {sentence}"])
        return _say(sentence)
    has_ended.set()
    with contextlib.suppress(ChannelError):
        stream.send(["end", ""])
    return 0


def _say(sentence: str) -> int:
    with contextlib.suppress(OSError):
        print(" ".join(sentence.split()), flush=True)  # noqa: T201 - to the task
    return 1


def _obey(stream: Stream, texts: "queue.Queue[list[str]]", has_ended: threading.Event) -> None:
    """Hears the driver; ends this process at its word, or when it hangs up before the body has ended."""
    while True:
        try:
            message: Any = stream.receive(_CONVERSATION_S)
        except ChannelError:
            if has_ended.is_set():  # the driver hangs up on who has said so
                return
            message = ["cancel"]
        match message:
            case ["texts", list(heard)]:
                texts.put(heard)
            case ["cancel"]:
                os.kill(os.getpid(), signal.SIGKILL)  # Linux ends the node process with it, a guard all the rest


def _end_with(pid: int) -> None:
    """Ends this process soon after that one: an executor that is gone must leave nothing behind."""
    try:
        host = psutil.Process(pid)
    except psutil.NoSuchProcess:
        os.kill(os.getpid(), signal.SIGKILL)
        return

    def watch() -> None:
        while host.is_running() and host.status() != psutil.STATUS_ZOMBIE:
            time.sleep(_POLL_S)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, name="sparkcv-host", daemon=True).start()


def _java_of_this_task() -> int:
    """The executor's Java process, whose child, or child's child, this task's Python is."""
    parents = psutil.Process().parents()
    return next((parent.pid for parent in parents if parent.name() == "java"), os.getppid())


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        code = main()
        sys.stdout.flush()
        os._exit(code)
