"""One build at a time in a folder: two that make the same zip would write over each other."""

import contextlib
import fcntl
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from sparkcv.errors import StorageError

__all__ = ["alone"]


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Make ``folder``, and wait for another build in it: it may make the same zip, which this one then finds.

    Raises StorageError if the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / ".lock").open("w")
    except OSError as err:
        raise StorageError(
            f"{folder.resolve()} cannot be written ({err.strerror}), wanted a folder for the zips"
        ) from err
    with lock:
        try:
            _wait_for(lock, folder)
        except OSError as err:  # of network file systems, some have none
            raise StorageError(
                f"{folder.resolve()} cannot be locked ({err.strerror}), wanted a folder of a file system with locks"
            ) from err
        yield


def _wait_for(lock: TextIO, folder: Path) -> None:
    """Take the lock, and say whom it is waited for: a build may take minutes, or have been stopped by Ctrl-Z."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.stderr.write(f"waiting for another build in {folder.resolve()}, which holds its .lock\n")
        sys.stderr.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
