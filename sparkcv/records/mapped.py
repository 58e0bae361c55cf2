"""A shard as memory that the system may drop again, so that a task's heap does not grow with its shard."""

import contextlib
import mmap
import os
import tempfile
from collections.abc import Iterator

from sparkcv import storage


@contextlib.contextmanager
def mapped(url: str) -> Iterator[memoryview]:
    """Yield a file's bytes: a copy on this machine's disk, gone when the block ends."""
    with tempfile.TemporaryDirectory(prefix="sparkcv-shard-") as folder:
        path = os.path.join(folder, "shard")
        if not storage.fetch(url, path):
            yield memoryview(b"")  # nothing can be mapped of an empty file
            return
        with open(path, "rb") as source:
            mapping = mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ)
        # Not closed by hand: views of records may outlive the block, and the last of them frees it.
        yield memoryview(mapping)
