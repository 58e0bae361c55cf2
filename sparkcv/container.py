"""What a container leaves of its machine: Linux's control groups, of version 1 and 2, bound processor time and memory.

YARN's and Kubernetes' containers, and Docker's, are such groups, one inside of another; each of them binds.
"""

import contextlib
import math
import os
from collections.abc import Iterator
from pathlib import Path

__all__ = ["cores", "memory_left"]

_OWN_GROUPS = Path("/proc/self/cgroup")
_MOUNT = Path("/sys/fs/cgroup")
_MEMORY = (
    ("memory.max", "memory.current"),  # version 2
    ("memory.limit_in_bytes", "memory.usage_in_bytes"),  # version 1
)


def cores() -> int:
    """Return how many threads can compute at once: the cores that this process may use, or fewer where its time ends.

    A container of half a core has one. Threads beyond that only wait until the next period begins.
    """
    shares = [share for folder in _folders("cpu") if (share := _share(folder)) is not None]
    usable = len(os.sched_getaffinity(0))
    return max(1, min([usable, *map(math.ceil, shares)]))


def memory_left() -> int | None:
    """Return the bytes of memory that the narrowest control group leaves; None where none binds."""
    left = [
        bound - used + _cached(folder)
        for folder in _folders("memory")
        for most, now in _MEMORY
        if (bound := _number(folder / most)) is not None and (used := _number(folder / now)) is not None
    ]
    return min(left, default=None)


def _share(folder: Path) -> float | None:
    """Return the cores whose time a control group has; None where it has no bound."""
    with contextlib.suppress(OSError, ValueError):  # no such file, or no bound ("max")
        quota, period = map(int, (folder / "cpu.max").read_text().split())
        return quota / period
    quota_us, period_us = (_number(folder / name) for name in ("cpu.cfs_quota_us", "cpu.cfs_period_us"))
    return quota_us / period_us if quota_us and period_us and quota_us > 0 else None


def _folders(controller: str) -> Iterator[Path]:
    """Yield the folders of this process's control groups of a controller, and of those around them.

    In a container the paths may be the machine's, which are not there: then what is mounted is the container's own.
    """
    try:
        lines = _OWN_GROUPS.read_text().splitlines()
    except OSError:  # another system than Linux
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        root = _MOUNT / controllers if controllers else _MOUNT
        for group in (Path(path), *Path(path).parents):
            folder = root / group.relative_to("/")
            if folder.is_dir():
                yield folder


def _cached(folder: Path) -> int:
    """Return the bytes of files in a control group's memory: they count as used, and are given up first."""
    with contextlib.suppress(OSError, ValueError):
        for line in (folder / "memory.stat").read_text().splitlines():
            name, _, value = line.partition(" ")
            if name in ("inactive_file", "total_inactive_file"):
                return int(value)
    return 0


def _number(path: Path) -> int | None:
    with contextlib.suppress(OSError, ValueError):
        return int(path.read_text())
    return None
