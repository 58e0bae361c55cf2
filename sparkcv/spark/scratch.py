"""A node process's local folder: gone with its agent, and if that was killed, swept by the next agent there.

The root may be shared with strangers (``/tmp``, where Spark runs in one process), so all folders lie in one that is
this user's and of this purpose only; nothing outside it is ever looked at.
"""

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

__all__ = ["scratch_dir", "sweep"]

_LOCKED = "agent-"
_ATTEMPTS = 5


@contextlib.contextmanager
def scratch_dir(root: str) -> Iterator[str]:
    """Make an empty folder below ``root``, for this user only; raise OSError if it cannot be made.

    A lock on it shows that it is in use: the system drops the lock when this process dies, in whichever way.
    """
    new, lock = _locked_folder(root)
    try:
        path = new.rename(new.with_name(_LOCKED + new.name.removeprefix(".")))  # named so only once it is locked
        try:
            yield str(path)
        finally:
            shutil.rmtree(path, ignore_errors=True)
            with contextlib.suppress(OSError):  # another agent's folder is in it
                path.parent.rmdir()
    finally:
        os.close(lock)


def sweep(root: str) -> list[str]:
    """Remove the scratch folders below ``root`` whose agents are dead, and return their names."""
    swept = []
    for path in sorted(_home(root).glob(_LOCKED + "*")):
        with contextlib.suppress(OSError):  # in use (BlockingIOError), or swept by another agent
            lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path, ignore_errors=True)
                swept.append(path.name)
            finally:
                os.close(lock)
    return swept


def _home(root: str) -> Path:
    return Path(root, f"sparkcv-scratch-{os.getuid()}")


def _locked_folder(root: str) -> tuple[Path, int]:
    home = _home(root)
    for attempts_left in reversed(range(_ATTEMPTS)):
        home.mkdir(mode=0o700, exist_ok=True)
        found = home.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
            break
        try:
            new = Path(tempfile.mkdtemp(prefix=".", dir=home))
        except FileNotFoundError:  # the last agent before us has just removed the empty home
            if not attempts_left:
                raise
            continue
        lock = os.open(new, os.O_RDONLY)
        fcntl.flock(lock, fcntl.LOCK_EX)
        return new, lock
    raise PermissionError(f"{home} is not a folder of this user")
