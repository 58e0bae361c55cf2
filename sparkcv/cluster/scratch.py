"""A node process's local folder: gone with its agent, and if that was killed, swept by the next agent there."""

import contextlib
import fcntl
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

__all__ = ["scratch_dir", "sweep"]

_PREFIX = "sparkcv-"


@contextlib.contextmanager
def scratch_dir(root: str) -> Iterator[str]:
    """An empty folder in ``root``, for this user only; raises OSError if it cannot be made.

    A lock on it shows that it is in use: the system drops the lock when this process dies, in whichever way.
    """
    new = Path(tempfile.mkdtemp(prefix=".new-", dir=root))
    lock = os.open(new, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        path = new.rename(Path(root, _PREFIX + secrets.token_hex(6)))  # named so only once it is locked
        try:
            yield str(path)
        finally:
            shutil.rmtree(path, ignore_errors=True)
    finally:
        os.close(lock)


def sweep(root: str) -> list[str]:
    """Removes the folders in ``root`` whose agents are dead, and returns their names."""
    swept = []
    for path in sorted(Path(root).glob(_PREFIX + "*")):
        with contextlib.suppress(OSError):  # in use (BlockingIOError), another user's, or swept by another agent
            lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path, ignore_errors=True)
                swept.append(path.name)
            finally:
                os.close(lock)
    return swept
