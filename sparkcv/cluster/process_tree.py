"""All processes that came of a node process, also those that left its session to outlive it.

Each is known by a mark in its environment, which is inherited by whatever is forked and executed. Only a process that
is executed with an environment of its own choice escapes; a process group or a session is left by a single call.
"""

import contextlib
import os
import signal
import time

import psutil

__all__ = ["MARK", "has_mark", "kill_tree"]

MARK = "SPARKCV_NODE_MARK"
_ROUNDS = 50
_PAUSE_S = 0.05


def has_mark(pid: int, mark: str) -> bool:
    """Return whether that process runs, and carries ``mark``; a zombie does neither."""
    try:
        return psutil.Process(pid).environ().get(MARK) == mark
    except (psutil.Error, OSError):  # gone, another user's, or a kernel that tells nothing of it
        return False


def kill_tree(mark: str, spared: int = 0) -> bool:
    """SIGKILL all processes that carry ``mark``, but this one and ``spared``; return true once none is left.

    They may be forking meanwhile, so it looks again until it finds none.
    """
    killed: set[int] = set()
    for _ in range(_ROUNDS):
        found = [pid for pid in psutil.pids() if pid not in (os.getpid(), spared) and has_mark(pid, mark)]
        if not found:
            _reap(killed)
            return True
        killed.update(found)
        for pid in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(_PAUSE_S)  # they are being taken down
    return False


def _reap(pids: set[int]) -> None:
    """Let those that were orphans, and so became children of this process, be gone for good."""
    for pid in pids:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
