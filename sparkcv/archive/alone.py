"""One build at a time in a folder: two that make the same zip would write over each other."""

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path

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
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
