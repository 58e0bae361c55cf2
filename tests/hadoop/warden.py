"""The process that owns all daemons: whatever happens to the one who asked for them, it ends them and their children.

It is a child subreaper: a container that YARN started stays its descendant even after its NodeManager was killed.
Run as a script, with the standard library only. It reads one JSON object a line, ``{"argv", "env", "log", "cwd"}``,
and answers ``{"pid": ...}`` or ``{"error": ...}``; at the end of its input, or when its parent is gone, it ends
everything and deletes the folder given as its argument, unless a line ``{"keep": true}`` came before.
"""

import contextlib
import ctypes
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_POLL_S = 0.2
_PATIENCE_S = 20.0
_libc = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    """Serve until the one who started this process closes the pipe or dies."""
    root, parent, keep = sys.argv[1], os.getppid(), False
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    pending = b""
    while os.getppid() == parent:
        _reap()
        if not select.select([0], [], [], _POLL_S)[0]:
            continue
        chunk = os.read(0, 1 << 16)
        if not chunk:
            break
        *lines, pending = (pending + chunk).split(b"\n")
        for line in lines:
            request = json.loads(line)
            if "keep" in request:
                keep = bool(request["keep"])
                continue
            with contextlib.suppress(BrokenPipeError):
                os.write(1, json.dumps(_start(request)).encode() + b"\n")
    _end_all()
    if not keep:
        shutil.rmtree(root, ignore_errors=True)


def _start(request: dict) -> dict:
    try:
        with open(request["log"], "ab") as log:
            process = subprocess.Popen(
                request["argv"],
                env=request["env"],
                cwd=request["cwd"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_die_with_warden,
            )
    except OSError as err:
        return {"error": f"{request['argv'][0]}: {err.strerror}"}
    process.returncode = 0  # _reap() collects it
    return {"pid": process.pid}


def _die_with_warden() -> None:
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _reap() -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _end_all() -> None:
    """SIGKILL until no descendant is left: each round may orphan new ones to us."""
    give_up_s = time.monotonic() + _PATIENCE_S
    while (pids := _descendants()) and time.monotonic() < give_up_s:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(_POLL_S / 4)
        _reap()


def _descendants() -> list[int]:
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError), open(f"/proc/{name}/stat") as stat:
                parent = int(stat.read().rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(name))
    found, wanted = [], [os.getpid()]
    while wanted:
        below = children.get(wanted.pop(), [])
        found += below
        wanted += below
    return found


if __name__ == "__main__":
    main()
