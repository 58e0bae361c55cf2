"""Shards that gzip or zlib packed whole, as TensorFlow's ``TFRecordOptions`` and Hadoop's codecs write them."""

import mmap
import tempfile
import zlib
from collections.abc import Iterator

from sparkcv.errors import ShardError

__all__ = ["inflate"]

_BLOCK_BYTES = 1 << 20
_EITHER = zlib.MAX_WBITS | 32  # gzip or zlib, by its first bytes
_MOST_BYTES = 16 << 30  # what a few megabytes can be blown up to on purpose


def inflate(data: memoryview, where: str) -> tuple[memoryview, str]:
    """Return the bytes that were packed, and "" or why there are no more: those before a damage are given.

    They lie in a file of this machine that goes with them. Raises ShardError for more than 16 GiB.
    """
    fault = ""
    with tempfile.TemporaryFile(prefix="sparkcv-shard-") as sink:
        try:
            for block in _blocks(data):
                sink.write(block)
                if sink.tell() > _MOST_BYTES:
                    raise ShardError(f"{where!r} unpacks to more than {_MOST_BYTES} bytes, wanted smaller shards")
        except zlib.error as err:
            fault = str(err)
        if not sink.tell():
            return memoryview(b""), fault
        sink.flush()
        return memoryview(mmap.mmap(sink.fileno(), 0, access=mmap.ACCESS_READ)), fault


def _blocks(data: memoryview) -> Iterator[bytes]:
    """Yield what was packed; raise zlib.error where it is damaged or cut."""
    at, inflater = 0, zlib.decompressobj(_EITHER)
    while at < data.nbytes:
        packed = bytes(data[at : at + _BLOCK_BYTES])
        at += len(packed)
        while packed:
            if inflater.eof:  # files of gzip may follow each other in one, and zeros may fill its end
                packed = packed.lstrip(b"\0")
                if not packed:
                    break
                inflater = zlib.decompressobj(_EITHER)
            yield inflater.decompress(packed, _BLOCK_BYTES)
            packed = inflater.unused_data if inflater.eof else inflater.unconsumed_tail
    if not inflater.eof:
        raise zlib.error("cut before its end")
