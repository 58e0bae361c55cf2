"""Compressed shards, told by their content: TensorFlow writes TFRecords as gzip or zlib streams without saying so.

A name is no help: ``TFRecordOptions("GZIP")`` adds no ``.gz``, and Spark's writers do.
"""

import contextlib
import os
import zlib

from sparkcv.errors import ShardError
from sparkcv.records import tfrecord
from sparkcv.storage.translate import translated

__all__ = ["BREAKS_OFF", "expand", "expand_start", "is_compressed"]

BREAKS_OFF = "the compressed shard breaks off there"
"""The reason for the end of a stream that is not whole."""

_GZIP = b"\x1f\x8b\x08"
_ANY_HEADER = 47  # zlib's window bits: 15, and 32 to take gzip's header or zlib's
_BLOCK_BYTES = 1 << 20
# Pictures are compressed already. A shard of more than this times its stored size is a bomb.
_MOST_TIMES = 100
_LEAST_MOST_BYTES = 64 << 20


def is_compressed(head: bytes) -> bool:
    """Return whether a shard's first bytes, 12 at least, begin a compressed stream and not a record."""
    if len(head) < tfrecord.HEADER_BYTES or tfrecord.is_length(memoryview(head), 0):
        return False
    return head.startswith(_GZIP) or (head[0] & 0x0F == 8 and head[0] >> 4 <= 7 and int.from_bytes(head[:2]) % 31 == 0)


def expand_start(data: bytes, limit: int) -> bytes:
    """Return the first bytes, at most ``limit``, of the shard whose stored bytes begin with ``data``."""
    found = b""
    with contextlib.suppress(zlib.error):
        while data and len(found) < limit:
            stream = zlib.decompressobj(_ANY_HEADER)
            found += stream.decompress(data, limit - len(found))
            data = stream.unused_data
    return found


def expand(path: str, where: str) -> tuple[int, bool]:
    """Replace a compressed local file by its content; another one stays as it is.

    Returns its bytes then, and whether the stream was whole: a stream that is cut or damaged gives what comes before.

    Raises:
        ShardError: more than 100 times the stored bytes (and 64 MB) come out of it; names ``where``.
        FullError: the disk has no room for its content. In both cases nothing is left beside the file.
    """
    aside = f"{path}.expanded"
    try:
        with translated(path, "expand"):
            return _expand(path, aside, where)
    finally:
        with contextlib.suppress(OSError):
            os.unlink(aside)


def _expand(path: str, aside: str, where: str) -> tuple[int, bool]:
    stored = os.path.getsize(path)
    with open(path, "rb") as source:
        if not is_compressed(source.read(tfrecord.HEADER_BYTES)):
            return stored, True
        source.seek(0)
        limit, total, is_whole = max(_LEAST_MOST_BYTES, _MOST_TIMES * stored), 0, False
        with open(aside, "wb") as target:
            stream, rest = zlib.decompressobj(_ANY_HEADER), b""
            while block := rest or source.read(_BLOCK_BYTES):
                try:
                    piece = stream.decompress(block, _BLOCK_BYTES)
                except zlib.error:
                    is_whole = False
                    break
                target.write(piece)
                total += len(piece)
                if total > limit:
                    raise ShardError(f"{where!r} has {stored} bytes, and more than {limit} once it is expanded")
                is_whole, rest = stream.eof, stream.unconsumed_tail
                if stream.eof:
                    rest = stream.unused_data.lstrip(b"\0")  # a file may be several streams, and padded
                    while not rest and (more := source.read(_BLOCK_BYTES)):
                        rest = more.lstrip(b"\0")
                    if rest:
                        stream = zlib.decompressobj(_ANY_HEADER)
    os.replace(aside, path)
    return total, is_whole
