"""Read a damaged shard behind its damage, as far as CRCs and the manifest's count prove which record is which.

A frame says where the next one begins, so a wrong length hides all that follows. Three things get behind it:

- the length's own CRC: CRC-32C tells apart all 8-byte lengths that differ in up to five bits, so the one length that is
  one bit away and has the CRC stored is the true one (and the CRC is what was hit if it is one bit away itself);
- the next frame whose length and payload both have their CRC: 64 bits that no picture holds by chance;
- the manifest's count: what lies between is as many records as are missing. A payload may hold frames itself (a shard
  inside of a shard): then more records are found than there are, and nothing behind the damage is trusted.
"""

import re
import struct
from dataclasses import dataclass

from sparkcv.records.tfrecord import FOOTER_BYTES, HEADER_BYTES, BadRecord, Record, is_length, masked_crc32c

__all__ = ["read_all"]

_LENGTH, _CRC = struct.Struct("<Q"), struct.Struct("<I")
# Where a frame of less than 4 GiB may begin; the CRC of no such length is zero, so holes of zeros are passed over.
_START = re.compile(rb"(?=.{4}\0{4}(?!\0{4}).{4})", re.DOTALL)


@dataclass(frozen=True)
class _Gap:
    """Bytes in which nobody knows how many records lie."""

    record: BadRecord


def read_all(data: memoryview, num_records: int | None = None) -> list[Record | BadRecord]:
    """Return the records of a shard in order, the damaged ones in their places.

    With ``num_records`` so many are returned, and the place of an intact one is proven: of those that cannot be placed
    a BadRecord says so. Without, a stretch of damage counts as one record.
    """
    found = _read(data)
    if num_records is None:
        return _plain(found)
    gaps = [index for index, item in enumerate(found) if isinstance(item, _Gap)]
    missing = num_records - (len(found) - len(gaps))
    if not gaps:
        return [*_plain(found), *_lost(missing, data.nbytes, "the shard has fewer records than its manifest says")][
            :num_records
        ]
    if missing == len(gaps):
        return _plain(found)
    first, last = gaps[0], gaps[-1]
    before, after = _plain(found[:first]), _plain(found[last + 1 :])
    bad = next(item.record for item in found if isinstance(item, _Gap))
    if missing < len(gaps):  # something in a payload was taken for a frame
        return [*before, *_lost(num_records - len(before), bad.offset, bad.reason)][:num_records]
    return [*before, *_lost(num_records - len(before) - len(after), bad.offset, bad.reason), *after]


def _plain(found: list[Record | BadRecord | _Gap]) -> list[Record | BadRecord]:
    return [item.record if isinstance(item, _Gap) else item for item in found]


def _lost(count: int, offset: int, reason: str) -> list[BadRecord]:
    return [BadRecord(offset, reason, 0, True)] * count


def _read(data: memoryview) -> list[Record | BadRecord | _Gap]:
    found: list[Record | BadRecord | _Gap] = []
    offset = 0
    while offset < data.nbytes:
        length = _length(data, offset)
        if length is None:
            item, offset = _behind(data, offset)
            found.append(item)
            continue
        end = offset + HEADER_BYTES + length + FOOTER_BYTES
        if end > data.nbytes:
            left = data.nbytes - offset
            found.append(
                _Gap(BadRecord(offset, f"cut inside a record of {length} bytes, {left} bytes lost", left, True))
            )
            break
        if _is_intact(data, offset, end):
            found.append(Record(offset, data[offset + HEADER_BYTES : end - FOOTER_BYTES]))
        else:
            reason = f"wrong CRC of the payload of {length} bytes"
            found.append(BadRecord(offset, reason, end - offset, False))
        offset = end
    return found


def _length(data: memoryview, offset: int) -> int | None:
    """Return the length that a frame announces, one flipped bit of it or of its CRC mended; None if it is lost."""
    if data.nbytes - offset < HEADER_BYTES:
        return None
    (given,), (crc,) = _LENGTH.unpack_from(data, offset), _CRC.unpack_from(data, offset + 8)
    if is_length(data, offset):
        return int(given)
    for bit in range(64):
        if masked_crc32c(_LENGTH.pack(given ^ 1 << bit)) == crc:
            return int(given ^ 1 << bit)
    end = offset + HEADER_BYTES + given + FOOTER_BYTES
    is_crc_hit = (masked_crc32c(_LENGTH.pack(given)) ^ crc).bit_count() == 1
    if is_crc_hit and end <= data.nbytes and _is_intact(data, offset, end):
        return int(given)
    return None


def _behind(data: memoryview, offset: int) -> tuple[Record | _Gap, int]:
    """Return what lies between a lost length and the next intact record, and where that begins."""
    for candidate in _START.finditer(data, offset + 1):
        at = candidate.start()
        if not is_length(data, at):
            continue
        end = at + HEADER_BYTES + int(_LENGTH.unpack_from(data, at)[0]) + FOOTER_BYTES
        if end <= data.nbytes and _is_intact(data, at, end):
            break
    else:
        at = data.nbytes
    if at - offset >= HEADER_BYTES + FOOTER_BYTES and _is_intact(data, offset, at):
        return Record(offset, data[offset + HEADER_BYTES : at - FOOTER_BYTES]), at
    fault = "wrong CRC of the length" if data.nbytes - offset >= HEADER_BYTES else "cut inside a length header"
    reason = f"{fault}, {at - offset} bytes lost"
    return _Gap(BadRecord(offset, reason, at - offset, at == data.nbytes)), at


def _is_intact(data: memoryview, offset: int, end: int) -> bool:
    """Return whether the payload of the frame ``[offset, end)`` has the CRC that is stored behind it."""
    crc = _CRC.unpack_from(data, end - FOOTER_BYTES)[0]
    return masked_crc32c(bytes(data[offset + HEADER_BYTES : end - FOOTER_BYTES])) == crc
