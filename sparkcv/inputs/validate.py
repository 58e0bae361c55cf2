"""What a record must be to reach a decoder, and how a fetched shard is cleared of those that are not.

TF's own reader drops the rest of a shard after one flipped bit, takes a missing label for class 0, trains on a label
out of range with loss 0.0, and decodes a 48 kB bomb into a gigabyte. So no record reaches it unseen.
"""

from __future__ import annotations

import contextlib
import dataclasses
import mmap
import os
from array import array
from collections.abc import Callable, Collection, Iterator

from sparkcv.errors import ImageError, RecordError
from sparkcv.inputs.quarantine import RejectedRecord
from sparkcv.records import example, image_header, tfrecord
from sparkcv.records.assignment import Assignment
from sparkcv.records.example import SLIM_FEATURES, FeatureNames
from sparkcv.records.image_header import NOT_NATIVE, ImageHeader

__all__ = ["ImageCheck", "RecordCheck", "Validated", "map_file", "validate_shard"]

RecordCheck = Callable[[memoryview], str | None]
"""Takes a record's payload, which it must not keep; returns why it cannot be used, or None."""

_RESIDENT_BYTES = 16 << 20  # of a mapped shard; what goes through memory must not count with what is held
_FRAME_BYTES = tfrecord.HEADER_BYTES + tfrecord.FOOTER_BYTES


@dataclasses.dataclass(frozen=True)
class ImageCheck:
    """The check of a labelled picture: its Example, its label, its image header; nothing is decoded.

    Attributes:
        num_classes: classes in ``labels.txt``; a label as stored is below it.
        labels_offset: slim's ``--labels_offset``; a label as stored is not below it.
        max_pixels: most pixels that are decoded.
        names: the features that hold picture and label.
        see: called with the header of each picture that can be used.
    """

    num_classes: int
    labels_offset: int = 0
    max_pixels: int = 2**26
    names: FeatureNames = SLIM_FEATURES
    see: Callable[[ImageHeader], None] | None = None

    def __call__(self, payload: bytes | memoryview) -> str | None:
        """Return why the payload cannot be trained on, or None."""
        try:
            found = example.decode(payload, names=self.names)
            header = image_header.probe(found.encoded, max_pixels=self.max_pixels, formats=image_header.NATIVE_FORMATS)
            if not header.is_native:
                raise ImageError(NOT_NATIVE.format(header.format))
        except (RecordError, ImageError) as err:
            return str(err)
        if not self.labels_offset <= found.label < self.num_classes:
            what = "a word's id" if self.names.longest else "label"
            return f"{what} {found.label}, wanted {self.labels_offset} to {self.num_classes - 1}"
        if self.see is not None:
            self.see(header)
        return None


@dataclasses.dataclass(frozen=True)
class Validated:
    """A local shard after validation: where its records were in the stored shard, what was left out, its bytes now.

    ``is_damaged`` says that bytes were not as they were once written, other than a record that was never usable.
    """

    offsets: array[int]
    rejects: list[RejectedRecord]
    num_bytes: int
    is_damaged: bool = False


def validate_shard(path: str, assignment: Assignment, check: RecordCheck, dropped: Collection[int] = ()) -> Validated:
    """Clear a fetched shard, in place, of all but the assignment's usable records.

    Records kept + ``num_records`` of the rejects are the assignment's share of the manifest's count, whatever the
    damage. ``dropped`` holds offsets in the stored shard of records that are left out without a word, as they were
    rejected before.
    """
    size = os.path.getsize(path)
    if size == 0:
        kept, rejects, is_damaged = _sort_out(b"", assignment, check, dropped)
    else:
        with map_file(path, mmap.ACCESS_WRITE) as data:
            kept, rejects, is_damaged = _sort_out(data, assignment, check, dropped)
            _compact(data, kept)
    num_bytes = sum(length for _, length in kept)
    if num_bytes != size:
        os.truncate(path, num_bytes)
    return Validated(array("Q", [offset for offset, _ in kept]), rejects, num_bytes, is_damaged)


def _sort_out(
    data: mmap.mmap | bytes, assignment: Assignment, check: RecordCheck, dropped: Collection[int]
) -> tuple[list[tuple[int, int]], list[RejectedRecord], bool]:
    """Return the frames to keep, as (offset, bytes), the rejects, and whether bytes were damaged or are missing.

    Headers of kept frames that were damaged are written anew. It holds no view of ``data`` afterwards.
    """
    url = assignment.shard.url
    kept: list[tuple[int, int]] = []
    rejects: list[RejectedRecord] = []
    ordinal, is_damaged = 0, False
    found = tfrecord.read_all(memoryview(data), assignment.shard.num_records, _letting_go(data))
    passed = _letting_go(data)
    for item in found:
        passed(item.offset)
        mine = _count(assignment, ordinal, ordinal + item.num_records)
        ordinal += item.num_records
        if isinstance(item, tfrecord.BadRecord):
            is_damaged |= bool(mine or item.lost_bytes)
            if item.offset not in dropped and (mine or (not item.num_records and assignment.start == 0)):
                rejects.append(RejectedRecord(url, item.offset, item.reason, mine))
            continue
        is_damaged |= item.is_mended
        if not mine or item.offset in dropped:
            continue
        if (reason := check(item.payload)) is not None:
            rejects.append(RejectedRecord(url, item.offset, reason))
            continue
        kept.append((item.offset, item.payload.nbytes + _FRAME_BYTES))
        if item.is_mended and isinstance(data, mmap.mmap):
            data[item.offset : item.offset + tfrecord.HEADER_BYTES] = tfrecord.header(item.payload.nbytes)
    return kept, rejects, is_damaged


def _count(assignment: Assignment, start: int, end: int) -> int:
    """Count the ordinals in [start, end) that are the assignment's."""
    first = start + (assignment.start - start) % assignment.stride
    return len(range(first, end, assignment.stride))


def _compact(data: mmap.mmap, kept: list[tuple[int, int]]) -> None:
    """Move the kept frames to the front, neighbours together."""
    passed = _letting_go(data)
    target = run_start = run_bytes = 0
    for offset, length in [*kept, (len(data) + 1, 0)]:
        if offset != run_start + run_bytes:
            if target != run_start:
                for done in range(0, run_bytes, _RESIDENT_BYTES):
                    data.move(target + done, run_start + done, min(_RESIDENT_BYTES, run_bytes - done))
                    passed(run_start + done)
            target += run_bytes
            run_start, run_bytes = offset, 0
        run_bytes += length


def _letting_go(data: mmap.mmap | bytes) -> Callable[[int], None]:
    """Return what takes pages before an offset out of this process's memory, a stretch at a time; the file has them."""
    begin = 0

    def passed(offset: int) -> None:
        nonlocal begin
        if isinstance(data, mmap.mmap) and offset - begin >= _RESIDENT_BYTES:
            end = offset - offset % mmap.PAGESIZE
            data.madvise(mmap.MADV_DONTNEED, begin, end - begin)
            begin = end

    return passed


@contextlib.contextmanager
def map_file(path: str, access: int = mmap.ACCESS_READ) -> Iterator[mmap.mmap]:
    """Map a local file that is not empty into memory."""
    with open(path, "rb" if access == mmap.ACCESS_READ else "r+b") as file:
        data = mmap.mmap(file.fileno(), 0, access=access)
        try:
            yield data
        finally:
            with contextlib.suppress(BufferError):  # views held by an error's traceback; they go with it
                data.close()
