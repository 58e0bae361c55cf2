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

from sparkcv.cluster import process_tree
from sparkcv.cluster.node import ORDER_SIGNAL, STACKS_SIGNAL
from sparkcv.cluster.node_environment import devices, environment
from sparkcv.cluster.standby import Standby
from sparkcv.launchers.python_module import start_module
from sparkcv.roles import Role

__all__ = ["Child", "Placement"]

_MAX_MESSAGE_BYTES = 128 * 1024
_MAX_MESSAGES_A_ROUND = 100
_REAP_TIMEOUT_S = 5.0
_REAP_POLL_S = 0.01
_HUNG_UP_POLL_S = 0.05


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
        standby: Standby | None = None,
    ):
        """Start the process, by ``standby`` if that can; raises OSError if the system refuses.

        ``temporary_dir`` becomes its TMPDIR: what libraries mean to remove when Python exits stays where a node
        process is killed, or leaves at once, and must go with the agent's folder. ``gpus`` are the task slot's.
        What carries the standby's mark, but not itself, is ended with it.
        """
        task = {**dataclasses.asdict(place), "scratch_dir": scratch_dir}
        del task["payload"]
        self.returncode: int | None = None
        self.peak_rss_bytes = 0
        self._has_hung_up = False
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.setblocking(False)
        self._standby = standby or Standby()
        self._process: subprocess.Popen[bytes] | None = None
        self._log_fd, log = os.pipe()
        try:
            # A file, not a pipe: parameters of any size, and no moment in which the two wait for each other.
            with theirs, open(log, "wb") as output, tempfile.TemporaryFile(dir=temporary_dir) as stdin:
                stdin.write(json.dumps(task).encode() + b"\n")
                stdin.write(place.payload)
                stdin.seek(0)
                self.pid = self._standby.fork(stdin.fileno(), log, theirs.fileno(), temporary_dir)
                if not self.pid:
                    variables = environment(temporary_dir, is_ours=not place.payload) | devices(role, gpus)
                    self._start(role, variables, {"stdin": stdin, "stdout": output}, theirs.fileno())
        except BaseException:
            self._socket.close()
            os.close(self.take_log_fd())
            raise

    def __enter__(self) -> "Child":
        return self

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, tb: TracebackType | None) -> None:
        self.kill()
        self._socket.close()
        if self._log_fd >= 0:
            os.close(self.take_log_fd())

    @property
    def is_running(self) -> bool:
        """Tell whether the process has not ended; false exactly when ``returncode`` is set."""
        if self.returncode is None:
            pid, status, usage = os.wait4(self.pid, os.WNOHANG)
            if pid:
                self._reaped(status, usage.ru_maxrss)
        return self.returncode is None

    def take_log_fd(self) -> int:
        """Return the reading end of the process's stdout and stderr, once; the caller closes it."""
        fd, self._log_fd = self._log_fd, -1
        return fd

    def messages(self) -> list[dict[str, Any]]:
        """Return what the node process said since the last call, oldest first; what is no JSON object is left out."""
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
        """Wait until the process says something or ends, for ``timeout_s`` at most."""
        if self._has_hung_up:  # it may live on without a word, and what is closed is always ready
            time.sleep(min(timeout_s, _HUNG_UP_POLL_S))
            return
        poller = select.poll()
        poller.register(self._socket, select.POLLIN)
        poller.poll(timeout_s * 1000)

    def rss_bytes(self) -> int:
        """Return the resident memory of the process now; 0 once it is gone."""
        try:
            rss = int(psutil.Process(self.pid).memory_info().rss)
        except psutil.Error:
            return 0
        self.peak_rss_bytes = max(self.peak_rss_bytes, rss)
        return rss

    def state(self) -> str:
        """Return what the kernel says of the process, such as "running", "sleeping", "stopped"; "" once it is gone."""
        try:
            return str(psutil.Process(self.pid).status())
        except psutil.Error:
            return ""

    def ask_to_stop(self) -> None:
        """Ask the process, not what it started itself, to end in good order; fine if it is gone."""
        self._send(ORDER_SIGNAL)

    def ask_for_stacks(self) -> bool:
        """Make the process write the stacks of its Python threads to its log; return false if it will not.

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

    def _start(self, role: Role, variables: dict[str, str], streams: dict[str, Any], status_fd: int) -> None:
        """Start the process from nothing."""
        words = ["--role", str(role), "--status_fd", str(status_fd), "--parent", str(os.getpid())]
        passed = [status_fd]
        with contextlib.ExitStack() as stack:
            if self._standby.is_wanted:
                passed.append(stack.enter_context(self._standby.socket()).fileno())
                words += ["--standby_fd", str(passed[-1])]
            if self._standby.mark:
                variables[process_tree.MARK] = self._standby.mark
            self._process = start_module(
                "sparkcv.cluster.node", words, variables, stderr=subprocess.STDOUT, pass_fds=passed, **streams
            )
        self.pid = self._process.pid

    def _send(self, number: int) -> None:
        if self.is_running:
            os.kill(self.pid, number)  # ours until reaped, so the number cannot have passed to another

    def kill(self) -> None:
        """SIGKILL the whole group and all else that it started, also when only that is left; reap the process."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self._send(signal.SIGKILL)  # it may have left its group
        deadline_s = time.monotonic() + _REAP_TIMEOUT_S
        while self.is_running and time.monotonic() < deadline_s:
            time.sleep(_REAP_POLL_S)  # a process that hangs in the kernel must not hang its agent
        if self._standby.mark:  # last, as that reaps what it kills: how this process ended must be known before
            process_tree.kill_tree(self._standby.mark, spared=self._standby.pid)

    def _reaped(self, status: int, max_rss_kb: int) -> None:
        self.returncode = os.waitstatus_to_exitcode(status)
        if self._process is not None:
            self._process.returncode = self.returncode  # we reap for the memory figure, so Popen must not wait again
        self.peak_rss_bytes = max(self.peak_rss_bytes, max_rss_kb * 1024)


def _handles(pid: int, number: int) -> bool:
    """Return whether the process has a handler for that signal, as far as the kernel tells."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
            caught = next((line.split()[1] for line in file if line.startswith("SigCgt:")), "0")
    except OSError:
        return False
    return bool(int(caught, 16) >> (number - 1) & 1)
