"""Run an agent in a process of its own beside its Spark task, and end it with the driver or the executor.

It ends with the driver's connection and with the executor's Java process, in whichever way those end; what its body
started is ended by the body's own means. ``python -m sparkcv.launchers.detached_task`` is no command for people.

The process and the driver exchange messages of a stream (channel/stream.py): ``["slot", index]`` first, ``["text",
text]`` for each round of the exchange and ``["end", error]`` at the end, error "" if the body returned; the driver
sends ``["texts", [text, ...]]`` once all have sent theirs, and ``["cancel"]``.
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
_RECEIVE_POLL_S = 3600.0  # one call of receive(); it is called again
_MAX_ERROR_CHARS = 600
_STARTED = "started"


@dataclasses.dataclass(frozen=True)
class TaskOrder:
    """What every slot of a launch is sent, inside Spark's task data.

    Attributes:
        driver: host and port of the launch.
        secret: of the launch; in no repr.
        body: what to run.
    """

    driver: tuple[str, int]
    secret: bytes = dataclasses.field(repr=False)
    body: Body


class TaskProcess:
    """The process of one task slot, as the one that started it sees it."""

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

    def wait_until_started(self) -> bool:
        """Return True once all processes of the launch run, False if this one ended before."""
        return self._line() == _STARTED

    def wait(self) -> None:
        """Return when it has ended without an error; raise ClusterError with the line that it printed last."""
        error = self._line()
        if self._process.wait() != 0:
            raise ClusterError(error or f"the process of the task slot ended with {self._process.returncode}")

    def is_running(self) -> bool:
        """Tell whether it has not ended."""
        return self._process.poll() is None

    def kill(self) -> None:
        """End it; fine if it has ended."""
        self._process.kill()

    def close(self) -> None:
        """Reap it; to be called once it has ended."""
        self._process.wait()
        self.detach()

    def detach(self) -> None:
        """Read no more of its output, and leave it running."""
        if self._process.stdout is not None:
            self._process.stdout.close()

    def _line(self) -> str:
        assert self._process.stdout is not None  # noqa: S101 - Popen was told to make one
        line: str = self._process.stdout.readline()
        return line.rstrip("\n")


def start_task(order: TaskOrder, indices: tuple[int, ...], hold: frozenset[int], slot: TaskSlot) -> None:
    """Start a process, and return once all of the launch run, or at its end if its index is in ``hold``.

    This is the Spark task. ``indices`` are those of the launch, by the index in Spark's stage.
    """
    slot = dataclasses.replace(slot, index=indices[slot.index])
    process = TaskProcess(order, slot, _java_of_this_task())
    try:
        if not process.wait_until_started() or slot.index in hold:
            process.wait()
    finally:
        process.detach()


def main() -> int:
    """Run the body that stdin holds; return 0 if it returned."""
    from pyspark import cloudpickle

    told = json.loads(sys.stdin.buffer.readline())
    body = cloudpickle.loads(sys.stdin.buffer.read())
    _end_with(told["host_pid"])
    try:
        stream = connect((told["driver"][0], told["driver"][1]), bytes.fromhex(told["secret"]))
        stream.send(["slot", told["index"]])
    except ChannelError as err:
        return _fail(str(err))
    texts: queue.Queue[list[str]] = queue.Queue()
    has_ended = threading.Event()
    threading.Thread(target=_follow_driver, args=(stream, texts, has_ended), name="sparkcv-slot", daemon=True).start()

    def exchange(text: str) -> list[str]:
        stream.send(["text", text])
        all_texts = texts.get()
        with contextlib.suppress(OSError):  # the task may have ended, and need not be told
            print(_STARTED, flush=True)  # noqa: T201 - to the task
        return all_texts

    parts = {name: told[name] for name in ("index", "host", "task", "scratch_root")}
    try:
        body(TaskSlot(**parts, exchange=exchange, gpus=tuple(told["gpus"])))
    except Exception as err:  # noqa: BLE001 - it travels to the driver
        sentence = f"{type(err).__name__}: {err}"[:_MAX_ERROR_CHARS]
        has_ended.set()
        with contextlib.suppress(ChannelError):
            stream.send(["end", f"task slot {told['index']} failed: {sentence}"])
        return _fail(sentence)
    has_ended.set()
    with contextlib.suppress(ChannelError):
        stream.send(["end", ""])
    return 0


def _fail(sentence: str) -> int:
    with contextlib.suppress(OSError):
        print(" ".join(sentence.split()), flush=True)  # noqa: T201 - to the task
    return 1


def _follow_driver(stream: Stream, texts: "queue.Queue[list[str]]", has_ended: threading.Event) -> None:
    """Receive from the driver; end this process if it says so, or if it is gone before the body has ended."""
    while True:
        try:
            message: Any = stream.receive(_RECEIVE_POLL_S)
        except ChannelError:
            if has_ended.is_set():  # the driver closes the connection of a slot that has ended
                return
            message = ["cancel"]
        match message:
            case ["texts", list(all_texts)]:
                texts.put(all_texts)
            case ["cancel"]:
                os.kill(os.getpid(), signal.SIGKILL)  # Linux ends the node process with it, the reaper all others


def _end_with(pid: int) -> None:
    """End this process soon after that one: an executor that is gone must leave nothing behind."""
    try:
        host = psutil.Process(pid)
    except psutil.NoSuchProcess:
        os.kill(os.getpid(), signal.SIGKILL)
        return

    def watch() -> None:
        with contextlib.suppress(psutil.NoSuchProcess):  # it may end between the two questions
            while host.is_running() and host.status() != psutil.STATUS_ZOMBIE:
                time.sleep(_POLL_S)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, name="sparkcv-host", daemon=True).start()


def _java_of_this_task() -> int:
    """Return the executor's Java process, whose child, or child's child, this task's Python is."""
    parents = psutil.Process().parents()
    return next((parent.pid for parent in parents if parent.name() == "java"), os.getppid())


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        code = main()
        sys.stdout.flush()
        os._exit(code)
