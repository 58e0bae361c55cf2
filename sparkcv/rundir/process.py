"""Which process holds a lease or a folder: how it is named to people, and whether it is seen to be alive from here."""

from __future__ import annotations

import dataclasses
import enum
import getpass
import os
import socket
from typing import Any

from sparkcv.rundir.json_values import number, text

__all__ = ["Life", "Process", "look_at", "this_process"]


class Life(enum.Enum):
    """What this process can see of another one."""

    RUNS = enum.auto()
    ENDED = enum.auto()
    STOPPED = enum.auto()  # by a signal: it may go on at any moment, or never
    UNKNOWN = enum.auto()  # it is on another machine, or in another container


@dataclasses.dataclass(frozen=True)
class Process:
    """A process: ``host``, ``user`` and ``pid`` for people, the rest to find it again.

    ``machine`` names the boot of a kernel and the process namespace in it, ``born`` is the moment of its start by that
    kernel's clock, as another process may get its ``pid`` later; both are "" where they are not known.
    """

    host: str
    user: str
    pid: int
    machine: str
    born: str

    @classmethod
    def from_json(cls, value: Any) -> Process:
        """Read what ``dataclasses.asdict`` gave; raise KeyError, TypeError or ValueError for anything else."""
        return cls(
            host=text(value["host"]),
            user=text(value["user"]),
            pid=number(value["pid"], int),
            machine=text(value["machine"]),
            born=text(value["born"]),
        )


def this_process() -> Process:
    """Return the process that asks."""
    _, born = _stat(os.getpid())
    return Process(socket.gethostname(), _user(), os.getpid(), _machine(), born)


def look_at(other: Process) -> Life:
    """Tell whether a process runs, as far as that can be seen from here."""
    machine = _machine()
    if not machine or other.machine != machine or not other.born:
        return Life.UNKNOWN
    state, born = _stat(other.pid)
    if not born and _is_there(other.pid):
        return Life.UNKNOWN
    if born != other.born or state in ("Z", "X"):
        return Life.ENDED
    return Life.STOPPED if state in ("T", "t") else Life.RUNS


def _machine() -> str:
    """Name this boot of this kernel and the namespace of process numbers; "" where Linux does not tell."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return f"{file.read().strip()}/{os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def _stat(pid: int) -> tuple[str, str]:
    """Return a process's state letter and the moment of its start; empty if there is none of that number."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()  # the name before may hold anything
        return fields[0], fields[19]
    except (OSError, IndexError):
        return "", ""


def _is_there(pid: int) -> bool:
    """Return whether a process of that number runs, also where /proc hides those of other users (``hidepid``)."""
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        return False
    return True


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return str(os.getuid())
