"""TFRecord framing without TensorFlow, so that Spark tasks read and write shards in milliseconds of start-up.

The format is TensorFlow's own (tensorflow/core/lib/io/record_writer.h)::

    uint64 length | uint32 masked_crc32c(length) | payload | uint32 masked_crc32c(payload)      little-endian

TensorFlow's ``ignore_errors`` drops the rest of a shard after one flipped bit, and takes a shard that was cut
between two records for a whole one. :func:`scan` loses exactly one record to a fault in its payload, and says how
many bytes were lost otherwise; a cut between two records shows in the manifest's count.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import google_crc32c

from sparkcv.errors import RecordError

HEADER_BYTES = 12
FOOTER_BYTES = 4

_LENGTH = struct.Struct("<Q")
_CRC = struct.Struct("<I")
_MASK_DELTA = 0xA282EAD8


@dataclass(frozen=True)
class Record:
    """One intact record: the offset of its frame in the shard and a view of its payload."""

    offset: int
    payload: memoryview


@dataclass(frozen=True)
class BadRecord:
    """One place where a shard is damaged.

    ``lost_bytes`` counts the frame, or with ``ends_shard`` everything up to the shard's end: how many records that
    were, only the manifest knows.
    """

    offset: int
    reason: str
    lost_bytes: int
    ends_shard: bool


def masked_crc32c(data: bytes) -> int:
    """Return the CRC-32C of ``data``, rotated and offset as TFRecord stores it."""
    return mask(google_crc32c.value(data))


def mask(crc: int) -> int:
    """Return a CRC-32C rotated and offset, as TensorFlow stores the CRC of data that may hold CRCs itself."""
    return ((crc >> 15 | crc << 17) + _MASK_DELTA) & 0xFFFFFFFF


def frame(payload: bytes) -> bytes:
    """Return the payload as one TFRecord frame."""
    length = _LENGTH.pack(len(payload))
    return b"".join((length, _CRC.pack(masked_crc32c(length)), payload, _CRC.pack(masked_crc32c(payload))))


def header_length(data: bytes | memoryview, offset: int) -> int | None:
    """Return the length of the payload that a frame at ``offset`` announces; None if its CRC is wrong.

    The frame's 12 bytes must be there.
    """
    length = bytes(data[offset : offset + 8])
    if masked_crc32c(length) != _CRC.unpack_from(data, offset + 8)[0]:
        return None
    return int(_LENGTH.unpack(length)[0])


def read_records(data: bytes | memoryview, where: str) -> Iterator[Record]:
    """Yield every record of a shard's bytes.

    Raises:
        RecordError: at the first damage, naming ``where`` and the offset.
    """
    for item in _items(memoryview(data)):
        if isinstance(item, BadRecord):
            raise RecordError(f"{where}: damaged at offset {item.offset}: {item.reason}")
        yield item


def scan(data: bytes | memoryview, where: str) -> tuple[list[Record], list[BadRecord]]:
    """Return the intact records of a shard's bytes and the damaged places, each reason naming ``where``.

    A wrong payload CRC costs that record. After a wrong or incomplete length nothing behind it can be trusted (a
    picture may hold bytes that look like a frame), so it ends the shard.
    """
    good: list[Record] = []
    bad: list[BadRecord] = []
    for item in _items(memoryview(data)):
        if isinstance(item, Record):
            good.append(item)
        else:
            bad.append(BadRecord(item.offset, f"{where}: {item.reason}", item.lost_bytes, item.ends_shard))
    return good, bad


def _items(data: memoryview) -> Iterator[Record | BadRecord]:
    total, offset = data.nbytes, 0
    while offset < total:
        left = total - offset
        if left < HEADER_BYTES:
            yield BadRecord(offset, f"cut inside a length header, {left} bytes lost", left, True)
            return
        length = header_length(data, offset)
        if length is None:
            yield BadRecord(offset, f"wrong CRC of the length, the last {left} bytes lost", left, True)
            return
        frame_bytes = HEADER_BYTES + length + FOOTER_BYTES
        if frame_bytes > left:
            reason = f"cut inside a record of {length} bytes, {left} bytes lost"
            yield BadRecord(offset, reason, left, True)
            return
        payload = data[offset + HEADER_BYTES : offset + HEADER_BYTES + length]
        if masked_crc32c(bytes(payload)) == _CRC.unpack_from(data, offset + HEADER_BYTES + length)[0]:
            yield Record(offset, payload)
        else:
            yield BadRecord(offset, f"wrong CRC of the payload of {length} bytes", frame_bytes, False)
        offset += frame_bytes
