"""How far the running tasks are: each keeps a small file whose size is the number of batches that it has scored.

Spark tells of a task when it has ended, which may be an hour later. One listing of a folder tells of all that run.
"""

import time

from sparkcv import storage
from sparkcv.errors import MissingFileError, StorageError

__all__ = ["TaskProgress", "num_running_rows"]

_WRITE_S = 5.0


class TaskProgress:
    """The file of one piece, written every few seconds and gone with the piece; one that cannot be written is none."""

    def __init__(self, url: str, piece: int) -> None:
        self._url = storage.join(url, str(piece))
        self._num_batches, self._written_s = 0, time.monotonic()

    def add_batch(self) -> None:
        """Count one more."""
        self._num_batches += 1
        if time.monotonic() - self._written_s >= _WRITE_S:
            try:
                storage.write_bytes(self._url, b"." * self._num_batches)
            except StorageError:  # the rows count, not the line about them; what is wrong will show with these
                return
            self._written_s = time.monotonic()

    def close(self) -> None:
        """Delete the file, a dead attempt's too."""
        try:
            storage.delete(self._url)
        except StorageError:
            return


def num_running_rows(url: str, batch_size: int) -> int:
    """Return how many rows the running tasks have scored, about."""
    try:
        return sum(entry.size for entry in storage.list_dir(url) if entry.name.isdigit()) * batch_size
    except MissingFileError:  # no task has run for long
        return 0
