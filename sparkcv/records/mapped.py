"""A shard as memory that the system may drop again, so that a task's heap does not grow with its shard."""

import contextlib
import mmap
import os
import tempfile
from collections.abc import Iterator

from sparkcv import storage
from sparkcv.errors import ShardError
from sparkcv.records import compression


@contextlib.contextmanager
def mapped(url: str, *, num_bytes: int | None = None) -> Iterator[tuple[memoryview, bool]]:
    """Yield a shard's bytes, expanded if it is compressed: a copy on this machine's disk, gone when the block ends.

    Beside them, whether they are all: of a compressed stream that is cut or damaged they are what comes before. Raises
    ShardError if it is not of ``num_bytes``, which the listing told, as it is stored.
    """
    with tempfile.TemporaryDirectory(prefix="sparkcv-shard-") as folder:
        path = os.path.join(folder, "shard")
        stored = storage.fetch(url, path)
        if num_bytes not in (None, stored):
            raise ShardError(f"{url!r} changed since it was listed: {stored} bytes, {num_bytes} then")
        expanded, is_whole = compression.expand(path, url)
        if not expanded:
            yield memoryview(b""), is_whole  # nothing can be mapped of an empty file
            return
        with open(path, "rb") as source:
            mapping = mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ)
        # Not closed by hand: views of records may outlive the block, and the last of them frees it.
        yield memoryview(mapping), is_whole
