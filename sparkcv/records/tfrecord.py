"""TFRecord framing without TensorFlow, so that Spark tasks read and write shards in milliseconds of start-up.

The format is TensorFlow's own (tensorflow/core/lib/io/record_writer.h)::

    uint64 length | uint32 masked_crc32c(length) | payload | uint32 masked_crc32c(payload)      little-endian

TensorFlow's ``ignore_errors`` drops the rest of a shard after one flipped bit, and takes a shard that was cut
between two records for a whole one. :func:`read_all` gets behind a damaged length, as far as there is proof:

- CRC-32C tells apart all 8-byte lengths that differ in up to five bits, so the one length that is one bit away from
  what is stored and has the CRC stored is the true one;
- the payload's own CRC, which stands where the next frame begins;
- frames that follow each other up to the shard's end: those inside of a payload end before its CRC;
- the manifest's count, which says how many records lie in the bytes that nothing else explains.
"""

import dataclasses
import itertools
import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar

import google_crc32c

from sparkcv.errors import RecordError

HEADER_BYTES = 12
FOOTER_BYTES = 4

_LENGTH = struct.Struct("<Q")
_CRC = struct.Struct("<I")
_MASK_DELTA = 0xA282EAD8
_ZEROS = re.compile(rb"\0{4,}")
_TRIES = 16  # runs of frames that are looked at behind one damage, so that many damages take linear time


@dataclass(frozen=True)
class Record:
    """One intact record: the offset of its frame and a view of its payload; ``is_mended`` if its header is damaged."""

    offset: int
    payload: memoryview
    is_mended: bool = False
    num_records: ClassVar[int] = 1


@dataclass(frozen=True)
class BadRecord:
    """One place where a shard is damaged, and how many of the shard's records it stands for.

    ``lost_bytes`` counts the frame, with ``is_gap`` everything up to the next frame or the shard's end: how many
    records that were, only the manifest knows.
    """

    offset: int
    reason: str
    lost_bytes: int
    is_gap: bool = False
    num_records: int = 1


def masked_crc32c(data: bytes) -> int:
    """Return the CRC-32C of ``data``, rotated and offset as TFRecord stores it."""
    return mask(google_crc32c.value(data))


def mask(crc: int) -> int:
    """Return a CRC-32C rotated and offset, as TensorFlow stores the CRC of data that may hold CRCs itself."""
    return ((crc >> 15 | crc << 17) + _MASK_DELTA) & 0xFFFFFFFF


def header(num_bytes: int) -> bytes:
    """Return what stands before a payload of ``num_bytes``."""
    length = _LENGTH.pack(num_bytes)
    return length + _CRC.pack(masked_crc32c(length))


def frame(payload: bytes) -> bytes:
    """Return the payload as one TFRecord frame."""
    return b"".join((header(len(payload)), payload, _CRC.pack(masked_crc32c(payload))))


def read_records(data: bytes | memoryview, where: str) -> Iterator[Record]:
    """Yield every record of a shard's bytes.

    Raises:
        RecordError: at the first damage that cannot be mended, naming ``where`` and the offset.
    """
    for item in _items(memoryview(data)):
        if isinstance(item, BadRecord):
            raise RecordError(f"{where}: damaged at offset {item.offset}: {item.reason}")
        yield item


def read_all(
    data: bytes | memoryview, num_records: int | None = None, passed: Callable[[int], None] = lambda _: None
) -> list[Record | BadRecord]:
    """Return the records of a shard in order, the damaged ones in their places.

    With ``num_records``, the manifest's count, the items stand for so many records; bytes behind the last of them are
    a BadRecord that stands for none. What is not proven to be a record of the shard, and in its place, is lost.
    Without a count, all that is lost behind a damaged length counts as one record. ``passed`` is called with each
    offset that was come to, before which nothing is looked at again soon.
    """
    data = memoryview(data)
    found = []
    for item in _items(data):
        found.append(item)
        passed(item.offset)
    bad = {index: item for index, item in enumerate(found) if isinstance(item, BadRecord)}
    first = next((index for index, item in bad.items() if item.is_gap), None)
    if first is None:
        return found if num_records is None else _fitted(found, num_records, data.nbytes)
    # Whole frames up to the shard's end are records. Those between two damages may be frames inside of a payload.
    last = max(bad)
    if last > first and num_records == len(found) and _is_one_each(found, first):
        return found
    before, gap, after = found[:first], bad[first], found[last + 1 :]
    lost = 1 if num_records is None else num_records - len(before) - len(after)
    if after and lost < 1:
        lost, after = lost + len(after), []
    end = after[0].offset if after else data.nbytes
    if end != gap.offset + gap.lost_bytes:
        gap = _lost_length(gap.offset, end, data.nbytes)
    return [*before[:num_records], dataclasses.replace(gap, num_records=max(lost, 0)), *after]


def _fitted(found: list[Record | BadRecord], num_records: int, num_bytes: int) -> list[Record | BadRecord]:
    """Return items without a gap, with what the manifest promises and the shard lacks, or has beyond it."""
    if len(found) < num_records:
        reason = f"the shard ends after {len(found)} of {num_records} records"
        return [*found, BadRecord(num_bytes, reason, 0, num_records=num_records - len(found))]
    if len(found) == num_records:
        return found
    offset = found[num_records].offset
    reason = f"it is beyond the {num_records} records of the manifest"
    return [*found[:num_records], BadRecord(offset, reason, num_bytes - offset, num_records=0)]


def _is_one_each(found: list[Record | BadRecord], first: int) -> bool:
    """Return whether gaps that fit the count as one record each, from ``first`` on, cannot be anything else.

    If what lies between them were frames inside of a payload, the gaps would hold as many records and one more; they
    are too narrow for that, by the smallest record. A gap at the end may be none: then another would hold two.
    """
    bad = [index for index, item in enumerate(found) if isinstance(item, BadRecord) and index >= first]
    widths = [item.lost_bytes for item in found if isinstance(item, BadRecord) and item.is_gap]
    smallest = min(item.payload.nbytes + HEADER_BYTES + FOOTER_BYTES for item in found if isinstance(item, Record))
    num_between = bad[-1] + 1 - first - len(bad)
    is_end_lost = bad[-1] == len(found) - 1 and max(widths[:-1], default=0) >= 2 * smallest
    return sum(widths) < (num_between + 1) * smallest and not is_end_lost


def _items(data: memoryview) -> Iterator[Record | BadRecord]:
    """Yield what a shard holds from its begin on; behind a gap, the next whole frame, be it in a payload."""
    total, offset = data.nbytes, 0
    while offset < total:
        left = total - offset
        if left < HEADER_BYTES:
            yield BadRecord(offset, f"cut inside a length header, {left} bytes lost", left, is_gap=True)
            return
        is_mended = not is_length(data, offset)
        end = _mended_end(data, offset) if is_mended else _end(data, offset)
        if end is None:
            end, is_own = _behind(data, offset)
            if not is_own:
                yield _lost_length(offset, end, total)
                offset = end
                continue
        length = end - offset - HEADER_BYTES - FOOTER_BYTES
        if end > total:
            yield BadRecord(offset, f"cut inside a record of {length} bytes, {left} bytes lost", left, is_gap=True)
            return
        if _is_whole(data, offset, end):
            yield Record(offset, data[offset + HEADER_BYTES : end - FOOTER_BYTES], is_mended)
        else:
            yield BadRecord(offset, f"wrong CRC of the payload of {length} bytes", end - offset)
        offset = end


def _lost_length(offset: int, end: int, total: int) -> BadRecord:
    lost = end - offset
    words = f"the last {lost} bytes lost" if end == total else f"{lost} bytes lost up to the next record"
    return BadRecord(offset, f"wrong CRC of the length, {words}", lost, is_gap=True)


def is_length(data: memoryview, offset: int) -> bool:
    """Return whether a frame's length stands at ``offset``, by its CRC; 12 bytes must be there."""
    return masked_crc32c(bytes(data[offset : offset + 8])) == _CRC.unpack_from(data, offset + 8)[0]


def _end(data: memoryview, offset: int, flipped: int = 0) -> int:
    """Return where a frame ends by its length, of which the bits of ``flipped`` are turned."""
    return offset + HEADER_BYTES + int(_LENGTH.unpack_from(data, offset)[0] ^ flipped) + FOOTER_BYTES


def _mended_end(data: memoryview, offset: int) -> int | None:
    """Return where a frame ends whose length or its CRC has one flipped bit; None if that does not explain it."""
    (given,), (crc,) = _LENGTH.unpack_from(data, offset), _CRC.unpack_from(data, offset + _LENGTH.size)
    if (masked_crc32c(_LENGTH.pack(given)) ^ crc).bit_count() == 1:
        end = _end(data, offset)
        return end if end <= data.nbytes and _is_whole(data, offset, end) else None
    flipped = next((1 << bit for bit in range(64) if masked_crc32c(_LENGTH.pack(given ^ 1 << bit)) == crc), None)
    if flipped is None or (end := _end(data, offset, flipped)) > data.nbytes:
        return None
    follows = end == data.nbytes or (end + HEADER_BYTES <= data.nbytes and is_length(data, end))
    return end if follows or _is_whole(data, offset, end) else None


def _behind(data: memoryview, damaged: int) -> tuple[int, bool]:
    """Return where the next frame behind a lost length begins, and whether the damaged frame's own CRC proves it.

    Without that proof it is the first frame with the right CRCs, or the shard's end.
    """
    begin = done = damaged + HEADER_BYTES
    crc = num_runs = 0
    first: int | None = None
    followed: set[int] = set()
    for at in itertools.chain(_candidates(data, damaged), [data.nbytes]):
        if at - FOOTER_BYTES >= done:
            crc, done = google_crc32c.extend(crc, bytes(data[done : at - FOOTER_BYTES])), at - FOOTER_BYTES
            # A payload that begins with a frame has the CRC of that frame's length there.
            is_header = done == begin + _LENGTH.size and _end(data, begin) <= data.nbytes
            if mask(crc) == _CRC.unpack_from(data, done)[0] and not is_header:
                return at, True
        if at in followed or at == data.nbytes or (end := _end(data, at)) > data.nbytes or not _is_whole(data, at, end):
            continue
        first = at if first is None else first
        num_runs += 1
        if num_runs > _TRIES:
            break
        while at not in followed and at + HEADER_BYTES <= data.nbytes and is_length(data, at):
            followed.add(at)
            at = _end(data, at)
    return data.nbytes if first is None else first, False


def _candidates(data: memoryview, damaged: int) -> Iterator[int]:
    """Yield each offset behind a damaged frame where the length of another could stand, by its CRC.

    The upper half of a length below 4 GB is zero, and its CRC is not: that passes over holes of zeros.
    """
    for zeros in _ZEROS.finditer(data, damaged + _LENGTH.size):
        for upper in range(max(zeros.start(), zeros.end() - 7), zeros.end() - 3):
            offset = upper - _LENGTH.size // 2
            if offset + HEADER_BYTES <= data.nbytes and is_length(data, offset):
                yield offset


def _is_whole(data: memoryview, offset: int, end: int) -> bool:
    """Return whether the payload of the frame ``[offset, end)`` has the CRC that is stored behind it."""
    payload = data[offset + HEADER_BYTES : end - FOOTER_BYTES]
    return masked_crc32c(bytes(payload)) == _CRC.unpack_from(data, end - FOOTER_BYTES)[0]
