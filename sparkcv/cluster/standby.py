"""The standby of a role: a process that has its program imported, and from which the role starts again at once.

Most of the time that a killed role takes to come back goes into importing TensorFlow. So the first process of a role
forks another when it has its program loaded and nothing else: no thread, no session, no connection. That one waits,
shares its memory with the role, takes no CPU, and forks the role's next process when its agent says so. Without it, as
where it was killed, a role starts from nothing.
"""

import contextlib
import ctypes
import json
import os
import select
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType

import psutil

from sparkcv import errors
from sparkcv.cluster import process_tree

__all__ = ["NAME", "Standby", "adopting", "die_with", "leave_standby"]

NAME = "sparkcv-standby"  # what ps and top show; Linux takes 15 characters
_PR_SET_PDEATHSIG, _PR_SET_NAME, _PR_SET_CHILD_SUBREAPER = 1, 15, 36
_FORK_TIMEOUT_S = 3.0
_ADOPTION_TIMEOUT_S = 5.0
_POLL_S = 0.002
_MAX_MESSAGE_BYTES = 64 * 1024
_NUM_FDS = 3


class Standby:
    """The standby as its agent holds it: none at first, until a node process has left one.

    Attributes:
        mark: which all processes of the agent carry.
        is_wanted: whether node processes are to leave one.
        has_hung_up: whether the node process has none to leave.
    """

    def __init__(self, mark: str = "", *, is_wanted: bool = False) -> None:
        """Take the mark that all processes of the agent carry; unless it ``is_wanted`` there is never a standby."""
        self.mark, self.is_wanted = mark, is_wanted
        self._pid = 0
        self.has_hung_up = False
        self._socket: socket.socket | None = None

    def __enter__(self) -> "Standby":
        return self

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def socket(self) -> socket.socket:
        """Return the socket by which the next node process is to leave a standby; the caller closes it."""
        self.close()
        self.has_hung_up = False
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.settimeout(_FORK_TIMEOUT_S)
        return theirs

    @property
    def pid(self) -> int:
        """Return the number of the standby's process; 0 while there is none."""
        if not self._pid and not self.has_hung_up and self._socket is not None and _is_readable(self._socket):
            self._pid = self._hear("standby")
            self.has_hung_up = not self._pid
        return self._pid

    def fork(self, stdin: int, log: int, status: int, temporary_dir: str) -> int:
        """Return the number of a new process for the role, a child of this one; 0 if the standby cannot give one.

        The process has these files as its stdin, its stdout and stderr, and its socket for what it says.
        """
        if not self.pid or self._socket is None:
            return 0
        pid = 0
        with contextlib.suppress(OSError):
            socket.send_fds(self._socket, [json.dumps({"tmpdir": temporary_dir}).encode()], [stdin, log, status])
            pid = self._hear("role")
        if not pid:
            self.close()
            if self.mark:  # one that it forked all the same must not be the role a second time
                process_tree.kill_tree(self.mark)
        return pid

    def rss_bytes(self) -> int:
        """Return the memory that the standby adds to its role's: what the two do not share."""
        with contextlib.suppress(OSError, ValueError, IndexError):
            if pid := self._pid:
                with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
                    kb = [int(line.split()[1]) for line in file if line.startswith("Private_")]
                return sum(kb) * 1024
        return 0

    def close(self) -> None:
        """End the standby; fine if there is none."""
        pid, self._pid = self.pid, 0
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if pid:
            with contextlib.suppress(ProcessLookupError, ChildProcessError):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)

    def _hear(self, key: str) -> int:
        """Return the number of the process that it names, which must be a child of this one; 0 for anything else."""
        assert self._socket is not None  # noqa: S101 - of the callers
        try:
            pid = int(json.loads(self._socket.recv(_MAX_MESSAGE_BYTES))[key])
            return pid if psutil.Process(pid).ppid() == os.getpid() else 0
        except (OSError, ValueError, KeyError, TypeError, psutil.Error):
            return 0


@contextlib.contextmanager
def adopting() -> Iterator[None]:
    """Become the parent of what this process's children fork and leave: so a standby ends with its agent."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    try:
        yield
    finally:
        _prctl(_PR_SET_CHILD_SUBREAPER, 0)


def die_with(parent: int) -> None:
    """Ask Linux to kill this process when its agent dies; end it if that has happened already.

    The process asks for itself, since code between fork and exec in a threaded agent can deadlock.
    """
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(errors.EXIT_FAILED)


def leave_standby(fd: int, agent: int, become: Callable[[int], None]) -> None:
    """Fork a standby that the agent hears of by its socket ``fd``, which is closed here; none where that may not be.

    ``become(status)`` is called in each process that the standby forks, with the socket for what that says; it must not
    return. Call it in the main thread; where there are others nothing is left, as a fork would not have them.
    """
    if sys.platform == "linux" and threading.active_count() == 1:
        with contextlib.suppress(OSError):
            _fork_away(agent, lambda: _stand_by(fd, agent, become))
    os.close(fd)


def _fork_away(agent: int, work: Callable[[], None]) -> None:
    """Do ``work`` in a new process that is the agent's child, not this one's."""
    pid = os.fork()
    if pid:
        os.waitpid(pid, 0)
        return
    try:
        if not os.fork():
            give_up_s = time.monotonic() + _ADOPTION_TIMEOUT_S
            while os.getppid() != agent and time.monotonic() < give_up_s:
                time.sleep(_POLL_S)
            os.setsid()  # who kills the role's process group leaves the others of its agent
            die_with(agent)
            work()
    finally:
        os._exit(errors.EXIT_FAILED)


def _stand_by(fd: int, agent: int, become: Callable[[int], None]) -> None:
    """Wait for the agent, and fork a process whenever it asks for one, until it hangs up."""
    _prctl(_PR_SET_NAME, NAME.encode())
    null = os.open(os.devnull, os.O_RDWR)
    for stream in range(_NUM_FDS):
        os.dup2(null, stream)
    for opened in map(int, os.listdir("/proc/self/fd")):
        if opened >= _NUM_FDS and opened != fd:
            with contextlib.suppress(OSError):  # the role's own connections, and the one that listed them
                os.close(opened)
    with socket.socket(fileno=fd) as agents:
        agents.send(json.dumps({"standby": os.getpid()}).encode())
        while True:
            data, fds, _, _ = socket.recv_fds(agents, _MAX_MESSAGE_BYTES, _NUM_FDS)
            if not data or len(fds) != _NUM_FDS:
                return
            _fork_away(agent, lambda: _be_role(agents, json.loads(data)["tmpdir"], fds, become))  # noqa: B023 - at once
            for one in fds:
                os.close(one)


def _be_role(agents: socket.socket, temporary_dir: str, fds: Sequence[int], become: Callable[[int], None]) -> None:
    _prctl(_PR_SET_NAME, os.path.basename(sys.executable).encode())
    stdin, log, status = fds
    for stream, source in enumerate((stdin, log, log)):
        os.dup2(source, stream)
    for one in (stdin, log):
        os.close(one)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - the old one has read the old file to its end
    os.environ["TMPDIR"] = temporary_dir
    tempfile.tempdir = None
    agents.send(json.dumps({"role": os.getpid()}).encode())
    agents.close()
    become(status)


def _is_readable(sock: socket.socket) -> bool:
    return bool(select.select([sock], [], [], 0)[0])


def _prctl(option: int, value: int | bytes) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, value)
