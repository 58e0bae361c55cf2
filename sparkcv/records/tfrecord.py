"""TFRecord framing without TensorFlow, so that Spark tasks read and write shards in milliseconds of start-up.

The format is TensorFlow's own (tensorflow/core/lib/io/record_writer.h)::

    uint64 length | uint32 masked_crc32c(length) | payload | uint32 masked_crc32c(payload)      little-endian

TensorFlow's ``ignore_errors`` drops the rest of a shard after one flipped bit, and takes a shard that was cut
between two records for a whole one. :func:`scan` loses exactly one record to a fault in its payload or its length, as
far as the bytes behind it prove where the next one begins; a cut between two records shows in the manifest's count.
"""

import dataclasses
import itertools
import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import google_crc32c

from sparkcv.errors import RecordError

HEADER_BYTES = 12
FOOTER_BYTES = 4

_LENGTH = struct.Struct("<Q")
_CRC = struct.Struct("<I")
_MASK_DELTA = 0xA282EAD8
# The upper half of a length below 4 GB, and a CRC behind it: where a frame may begin, four bytes before.
_MAYBE_LENGTH = re.compile(rb"(?=\0{4}(?!\0{4}))")
_PROOF_FRAMES = 2
_TRIES = 16


@dataclass(frozen=True)
class Record:
    """One intact record: the offset of its frame in the shard and a view of its payload."""

    offset: int
    payload: memoryview


@dataclass(frozen=True)
class BadRecord:
    """One place where a shard is damaged.

    ``lost_bytes`` counts the frame, with ``ends_shard`` everything up to the shard's end, with ``is_gap`` everything up
    to the next frame: how many records the last two were, only the manifest knows.
    """

    offset: int
    reason: str
    lost_bytes: int
    ends_shard: bool
    is_gap: bool = False


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

    A wrong payload CRC costs that record. Behind a wrong length, a frame counts as one only where frames follow it up
    to the shard's end, or two whole ones at least: a picture may hold bytes that look like a frame. If there is none,
    the damage ends the shard.
    """
    good: list[Record] = []
    bad: list[BadRecord] = []
    for item in _items(memoryview(data)):
        if isinstance(item, Record):
            good.append(item)
        else:
            bad.append(dataclasses.replace(item, reason=f"{where}: {item.reason}"))
    return good, bad


def counted(
    good: Sequence[Record], bad: Sequence[BadRecord], total: int | None
) -> list[tuple[Record | BadRecord, int]]:
    """Return what :func:`scan` found, in order, each with the number of records that it stands for.

    That is 1, but for the widest gap of a shard that has no other loss: it stands for all that lacks of ``total``.
    """
    items: list[Record | BadRecord] = sorted([*good, *bad], key=lambda item: item.offset)
    gaps = [item for item in bad if item.is_gap]
    if total is None or not gaps or any(item.ends_shard for item in bad):
        return [(item, 1) for item in items]
    widest = max(gaps, key=lambda item: item.lost_bytes)
    return [(item, 1 + max(0, total - len(items)) if item is widest else 1) for item in items]


def _items(data: memoryview) -> Iterator[Record | BadRecord]:
    total, offset = data.nbytes, 0
    while offset < total:
        left = total - offset
        if left < HEADER_BYTES:
            yield BadRecord(offset, f"cut inside a length header, {left} bytes lost", left, True)
            return
        (length,) = _LENGTH.unpack_from(data, offset)
        if not is_length(data, offset):
            following = _following(data, offset)
            if following is None:
                yield BadRecord(offset, f"wrong CRC of the length, the last {left} bytes lost", left, True)
                return
            lost = following - offset
            reason = f"wrong CRC of the length, {lost} bytes lost up to the next record"
            yield BadRecord(offset, reason, lost, False, is_gap=True)
            offset = following
            continue
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


def is_length(data: memoryview, offset: int) -> bool:
    """Return whether a frame's length stands at ``offset``, by its CRC; 12 bytes must be there."""
    return masked_crc32c(bytes(data[offset : offset + 8])) == _CRC.unpack_from(data, offset + 8)[0]


def _following(data: memoryview, damaged: int) -> int | None:
    """Return where the next frame behind a damaged length begins, as far as the bytes prove it.

    The best proof is the CRC of the damaged frame's own payload, which then ends just there. Else frames must follow up
    to the shard's end, or up to another frame whose length alone is damaged; or, where there is nothing like it, two
    whole ones.
    """
    proven: int | None = None
    in_vain: set[int] = set()  # frames of chains that broke: no chain of these need be followed twice
    for offset in _candidates(data, damaged):
        if offset in in_vain:
            continue
        if _closes(data, damaged, offset):
            return offset
        chain, end = _chain(data, offset)
        if end == data.nbytes:
            return offset
        if len(chain) >= _PROOF_FRAMES and all(_is_whole(data, at) for at in chain[:_PROOF_FRAMES]):
            if any(_closes(data, end, other) for other in itertools.islice(_candidates(data, end), _TRIES)):
                return offset
            proven = offset if proven is None else proven
        in_vain.update(chain)
    return proven


def _candidates(data: memoryview, behind: int) -> Iterator[int]:
    """Yield each offset where the length of a frame could stand, by its CRC."""
    for found in _MAYBE_LENGTH.finditer(data, behind + _LENGTH.size):
        offset = found.start() - _LENGTH.size // 2
        if offset + HEADER_BYTES <= data.nbytes and is_length(data, offset):
            yield offset


def _closes(data: memoryview, damaged: int, end: int) -> bool:
    """Return whether the frame with a damaged length, or none, has its whole payload up to ``end``."""
    begin, crc = damaged + HEADER_BYTES, end - FOOTER_BYTES
    return begin <= crc and masked_crc32c(bytes(data[begin:crc])) == _CRC.unpack_from(data, crc)[0]


def _chain(data: memoryview, offset: int) -> tuple[list[int], int]:
    """Return where the frames from here on begin, by their lengths alone, and where the last of them ends."""
    chain = []
    while offset + HEADER_BYTES <= data.nbytes and is_length(data, offset):
        end = offset + HEADER_BYTES + _LENGTH.unpack_from(data, offset)[0] + FOOTER_BYTES
        if end > data.nbytes:
            break
        chain.append(offset)
        offset = end
    return chain, offset


def _is_whole(data: memoryview, offset: int) -> bool:
    begin = offset + HEADER_BYTES
    end = begin + _LENGTH.unpack_from(data, offset)[0]
    return masked_crc32c(bytes(data[begin:end])) == _CRC.unpack_from(data, end)[0]
