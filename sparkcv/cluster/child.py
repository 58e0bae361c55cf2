"""The node process as its agent holds it: started, heard, signalled, and surely gone at the end."""

import contextlib
import dataclasses
import json
import os
import select
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

import psutil

from sparkcv import storage
from sparkcv.cluster import process_tree
from sparkcv.cluster.node import ORDER_SIGNAL, STACKS_SIGNAL
from sparkcv.launchers.python_module import start_module
from sparkcv.roles import Role

__all__ = ["Child", "Placement"]

_MAX_MESSAGE_BYTES = 128 * 1024
_MAX_MESSAGES_A_ROUND = 100
_REAP_TIMEOUT_S = 5.0
_REAP_POLL_S = 0.01
_HUNG_UP_POLL_S = 0.05

# What Spark and this agent hold to prove who they are is no business of a user's program.
_KEPT_BACK = (
    "PYTHON_WORKER_FACTORY_SECRET",
    "PYTHON_WORKER_FACTORY_PORT",
    "PYSPARK_GATEWAY_SECRET",
    "PYSPARK_GATEWAY_PORT",
    "_SPARK_AUTH_SECRET",
)
_UNLESS_SET = {
    "TF_CPP_MIN_LOG_LEVEL": "2",  # its warnings tell of every queue that is closed in good order
    "PYTHONWARNINGS": "ignore",  # deprecations inside of TensorFlow and TF-Slim
}
_ALWAYS = {
    "TF_GRPC_REUSE_PORT": "true",  # else TensorFlow refuses the port that the agent holds for it
    "PYTHONUNBUFFERED": "1",  # lines come live
    "PYTHONFAULTHANDLER": "1",  # a crash shows its stack
}


_OF_OUR_NETS = {"TF_USE_LEGACY_KERAS": "1"}  # TF-Slim's layers are Keras 2


@dataclasses.dataclass(frozen=True)
class Placement:
    """What a node process is told of its task: all of ``NodeContext`` that it does not know by itself."""

    program: str
    cluster: Mapping[str, list[str]]
    params: object
    generation: int = 0
    attempt: int = 0
    payload: bytes = dataclasses.field(default=b"", repr=False)


class Child:
    """One node process, in a session (and so a process group) of its own.

    It must be started from a thread that outlives it: Linux counts the death of the *thread* that started a
    process as the death of its parent. A context manager: leaving it kills the whole group and reaps the process.
    """

    def __init__(
        self,
        role: Role,
        place: Placement,
        scratch_dir: str,
        temporary_dir: str,
        gpus: Sequence[str] = (),
        mark: str = "",
    ):
        """Starts the process; raises OSError if the system refuses.

        ``temporary_dir`` becomes its TMPDIR: what libraries mean to remove when Python exits stays where a node
        process is killed, or leaves at once, and must go with the agent's folder. ``gpus`` are the seat's.
        What carries ``mark`` is ended with it.
        """
        task = {**dataclasses.asdict(place), "scratch_dir": scratch_dir}
        del task["payload"]
        self.returncode: int | None = None
        self.peak_rss_bytes = 0
        self._has_hung_up = False
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.setblocking(False)
        words = ["--role", str(role), "--status_fd", str(theirs.fileno()), "--parent", str(os.getpid())]
        # A file, not a pipe: parameters of any size, and no moment in which the two wait for each other.
        with theirs, tempfile.TemporaryFile(dir=temporary_dir) as stdin:
            stdin.write(json.dumps(task).encode() + b"\n")
            stdin.write(place.payload)
            stdin.seek(0)
            self._process = start_module(
                "sparkcv.cluster.node",
                words,
                _environment(temporary_dir, place) | _devices(role, gpus) | ({process_tree.MARK: mark} if mark else {}),
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=[theirs.fileno()],
            )
        self.pid, self._mark = self._process.pid, mark

    def __enter__(self) -> "Child":
        return self

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, tb: TracebackType | None) -> None:
        self.kill()
        self._socket.close()

    @property
    def is_running(self) -> bool:
        """Whether the process has not ended; false exactly when ``returncode`` is set."""
        if self.returncode is None:
            pid, status, usage = os.wait4(self.pid, os.WNOHANG)
            if pid:
                self._reaped(status, usage.ru_maxrss)
        return self.returncode is None

    def take_log_fd(self) -> int:
        """The reading end of the process's stdout and stderr; the caller closes it."""
        assert self._process.stdout is not None  # noqa: S101 - Popen was told to make one
        fd = os.dup(self._process.stdout.fileno())
        self._process.stdout.close()
        return fd

    def messages(self) -> list[dict[str, Any]]:
        """What the node process said since the last call, oldest first; what is no JSON object is left out."""
        said = []
        for _ in range(_MAX_MESSAGES_A_ROUND):
            try:
                data = self._socket.recv(_MAX_MESSAGE_BYTES)
            except BlockingIOError:
                break
            except ConnectionResetError:
                data = b""
            if not data:
                self._has_hung_up = True
                break
            with contextlib.suppress(ValueError, RecursionError):
                message = json.loads(data)
                if isinstance(message, dict):
                    said.append(message)
        return said

    def wait(self, timeout_s: float) -> None:
        """Returns when the process says something or ends, after ``timeout_s`` at the latest."""
        if self._has_hung_up:  # it may live on without a word, and what is closed is always ready
            time.sleep(min(timeout_s, _HUNG_UP_POLL_S))
            return
        poller = select.poll()
        poller.register(self._socket, select.POLLIN)
        poller.poll(timeout_s * 1000)

    def rss_bytes(self) -> int:
        """Resident memory of the process now; 0 once it is gone."""
        try:
            rss = int(psutil.Process(self.pid).memory_info().rss)
        except psutil.Error:
            return 0
        self.peak_rss_bytes = max(self.peak_rss_bytes, rss)
        return rss

    def state(self) -> str:
        """What the kernel says of the process: "running", "sleeping", "stopped" and so on; "" once it is gone."""
        try:
            return str(psutil.Process(self.pid).status())
        except psutil.Error:
            return ""

    def ask_to_stop(self) -> None:
        """Asks the process, not what it started itself, to end in good order; fine if it is gone."""
        self._send(ORDER_SIGNAL)

    def ask_for_stacks(self) -> bool:
        """Lets the process write the stacks of its Python threads to its log; false if it will not.

        A stopped process is woken, as it writes nothing before. One that has no handler for the signal, not yet or
        since its program took it away, is left alone: the signal would be its death.
        """
        if not _handles(self.pid, STACKS_SIGNAL):
            return False
        is_stopped = self.state() == psutil.STATUS_STOPPED
        self._send(STACKS_SIGNAL)
        if is_stopped:
            self._send(signal.SIGCONT)
        return True

    def _send(self, number: int) -> None:
        if self.is_running:
            os.kill(self.pid, number)  # ours until reaped, so the number cannot have passed to another

    def kill(self) -> None:
        """SIGKILLs the whole group and all else that it started, also when only that is left; reaps the process."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        if self._mark:
            process_tree.kill_tree(self._mark)
        deadline_s = time.monotonic() + _REAP_TIMEOUT_S
        while self.is_running and time.monotonic() < deadline_s:
            time.sleep(_REAP_POLL_S)  # a process that hangs in the kernel must not hang its agent

    def _reaped(self, status: int, max_rss_kb: int) -> None:
        self.returncode = os.waitstatus_to_exitcode(status)
        self._process.returncode = self.returncode  # we reap for the memory figure, so Popen must not wait again
        self.peak_rss_bytes = max(self.peak_rss_bytes, max_rss_kb * 1024)


def _handles(pid: int, number: int) -> bool:
    """Whether the process has a handler for that signal, as far as the kernel tells."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
            caught = next((line.split()[1] for line in file if line.startswith("SigCgt:")), "0")
    except OSError:
        return False
    return bool(int(caught, 16) >> (number - 1) & 1)


def _environment(temporary_dir: str, place: Placement) -> dict[str, str]:
    """Return this process's environment for the child, without what is secret."""
    kept = {name: value for name, value in os.environ.items() if name not in _KEPT_BACK}
    # A program may go to another working folder: there, relative paths to an archive's libraries, to Hadoop's
    # configuration and to its tokens would lead nowhere.
    hadoop = storage.hadoop_environment()
    if libraries := kept.get("LD_LIBRARY_PATH"):
        absolute = (os.path.abspath(entry) for entry in libraries.split(os.pathsep) if entry)
        kept["LD_LIBRARY_PATH"] = os.pathsep.join(absolute)
    nets = {} if place.payload else _OF_OUR_NETS  # a function of the user's is to find Keras as TensorFlow has it
    return _UNLESS_SET | kept | hadoop | _ALWAYS | nets | {"TMPDIR": temporary_dir}


def _devices(role: Role, gpus: Sequence[str]) -> dict[str, str]:
    """What CUDA is told of the GPUs that this role may see; {} leaves that to the agent's own environment.

    A ps computes nothing on a GPU, but TensorFlow would take the memory of all that it sees.
    """
    if role.job == "ps":
        return {"CUDA_VISIBLE_DEVICES": ""}
    if not gpus:
        # Spark gives no GPUs out (spark.task.resource.gpu.amount is not set): on a cluster without its discovery
        # scripts, the host's GPUs, or those that YARN or the user's environment left visible, are all that there is.
        return {}
    # Discovery scripts number devices as nvidia-smi does, by bus; CUDA itself would put the fastest first.
    return {"CUDA_VISIBLE_DEVICES": ",".join(gpus), "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
