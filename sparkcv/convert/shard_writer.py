"""Writing one shard: pictures in, in their order, one TFRecord file and one list of rejects out."""

import collections
import concurrent.futures
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import google_crc32c

from sparkcv import storage
from sparkcv.convert import gnt_source
from sparkcv.convert.sources import NO_CLASS, locate
from sparkcv.errors import AccessError, ImageError, MissingFileError, StorageError
from sparkcv.preprocess import picture_file
from sparkcv.preprocess.picture_file import PictureRules, SeenPicture
from sparkcv.records import example, tfrecord
from sparkcv.records.example import ImageExample
from sparkcv.records.manifest import ShardEntry

# A record of TensorFlow ends at 2 GB; a picture of this size within max_pixels is no picture.
MAX_FILE_BYTES = 256 << 20
# Reads of a distant store are waited for side by side; those of a local disk gain nothing from threads.
_READERS = 8


class ShardRow(NamedTuple):
    """One picture as the plan orders it; ``label`` is its index, -1 for none; the rest is as in Picture.

    ``more`` is what a record says that is not of this form, such as captions.
    """

    name: bytes
    label: int
    line: int
    size: int
    fault: str | None = None
    more: Any = None


@dataclass(frozen=True)
class ShardTarget:
    """One shard to write: its file and its list of rejects are whole, or not there; ``is_gnt``: of samples of GNT."""

    url: str
    quarantine_url: str
    root: str
    labels: tuple[str, ...]
    rules: PictureRules
    is_gnt: bool = False


@dataclass
class ShardSummary:
    """What became of a shard: small, whatever the shard's size.

    ``reasons`` counts rejects by the head of their reason.
    """

    entry: ShardEntry
    reasons: dict[str, int] = field(default_factory=dict)


class PictureOutcome(NamedTuple):
    """What became of one picture: its frame, or None and the reason; ``name`` and ``label`` say which it is."""

    name: str
    label: int
    frame: bytes | None
    reason: str = ""


MakeFrame = Callable[[SeenPicture, ShardRow], bytes]
"""From a picture and its row to the frame of its record."""


def write_shard(rows: Iterable[ShardRow], target: ShardTarget, make: MakeFrame | None = None) -> ShardSummary:
    """Write the shard of these files or samples, in the order given, and beside it the rejects.

    ``make`` makes records of another form than TF-Slim's.
    """
    framed = make or (lambda seen, row: make_frame(seen, _name(row), row.label, target))
    read = _read_ahead(rows, lambda row: _convert(row, target, framed), _readers(target.root))
    return write_outcomes((_outcome(row, got) for row, got in read), target)


def write_outcomes(outcomes: Iterable[PictureOutcome], target: ShardTarget) -> ShardSummary:
    """Write a shard's records in the order given, and beside it the rejects as JSON lines ``path``, ``reason``.

    Those of GNT have the ``offset`` in their file as well.
    """
    crc = num_bytes = num_records = 0
    labels: collections.Counter[str] = collections.Counter()
    reasons: collections.Counter[str] = collections.Counter()
    with storage.open_write(target.url) as sink, storage.open_write(target.quarantine_url) as rejects:
        for name, label, frame, reason in outcomes:
            if frame is None:
                reasons[reason.partition(":")[0]] += 1
                where: dict[str, Any] = {"path": name}
                if target.is_gnt:
                    where["path"], where["offset"] = gnt_source.split_name(name)
                rejects.write(json.dumps({**where, "reason": reason}).encode() + b"\n")
                continue
            sink.write(frame)
            crc = google_crc32c.extend(crc, frame)
            num_bytes += len(frame)
            num_records += 1
            labels[str(label)] += 1
    entry = ShardEntry(storage.basename(target.url), num_records, num_bytes, f"{crc:08x}", dict(sorted(labels.items())))
    return ShardSummary(entry, dict(reasons))


def make_frame(seen: SeenPicture, name: str, label: int, target: ShardTarget) -> bytes:
    """Return the record of a picture as a frame."""
    return tfrecord.frame(
        example.encode(
            ImageExample(
                encoded=seen.encoded,
                format=seen.format,
                label=label,
                text=target.labels[label],
                height=seen.height,
                width=seen.width,
                filename=name,
                orientation=seen.orientation,
            )
        )
    )


def _name(row: ShardRow) -> str:
    return row.name.decode("utf-8", "surrogateescape")


def _outcome(row: ShardRow, got: bytes | ImageError | MissingFileError) -> PictureOutcome:
    name = _name(row)
    if isinstance(got, bytes):
        return PictureOutcome(name, row.label, got)
    if isinstance(got, MissingFileError):
        file = "the CSV" if row.more is None else "the captions"
        named = f"line {row.line} of {file} names it, and it is not there"
        return PictureOutcome(name, row.label, None, f"missing: {named if row.line else 'gone since it was listed'}")
    return PictureOutcome(name, row.label, None, str(got))


def _convert(row: ShardRow, target: ShardTarget, make: MakeFrame) -> bytes | ImageError | MissingFileError:
    """Return a picture's frame, or the error that is its reason; a failing store raises."""
    name = _name(row)
    if row.fault is not None or row.label < 0:
        return ImageError(row.fault or NO_CLASS)
    try:
        if target.is_gnt:
            seen = gnt_source.read_sample(target.root, name, row.size, target.rules)
        else:
            seen = picture_file.read(_read(locate(name, target.root), row.size), target.rules)
        return make(seen, row)
    except (ImageError, MissingFileError) as err:
        return err


def _read(url: str, num_bytes: int) -> bytes:
    """Read a picture's file; a fault that is its own is an ImageError, a failing store stays a StorageError."""
    try:
        num_bytes = storage.size(url) if num_bytes < 0 else num_bytes
        if num_bytes > MAX_FILE_BYTES:
            raise ImageError(f"too large: {num_bytes} bytes, at most {MAX_FILE_BYTES}")
        return storage.read_bytes(url)
    except AccessError as err:
        raise ImageError("unreadable: permission denied") from err
    except MissingFileError:
        raise
    except StorageError as err:
        if storage.is_dir(url):
            raise ImageError("unreadable: a folder") from err
        raise


def _readers(root: str) -> int:
    return 1 if storage.local_path(root) is not None else _READERS


def _read_ahead(
    rows: Iterable[ShardRow], convert: Callable[[ShardRow], bytes | ImageError | MissingFileError], readers: int
) -> Iterator[tuple[ShardRow, bytes | ImageError | MissingFileError]]:
    """Apply ``convert`` in order, at most ``readers`` rows ahead; a failure ends the rest."""
    if readers == 1:
        for row in rows:
            yield row, convert(row)
        return
    waiting: collections.deque[tuple[ShardRow, concurrent.futures.Future[bytes | ImageError | MissingFileError]]]
    waiting = collections.deque()
    with concurrent.futures.ThreadPoolExecutor(readers, "sparkcv-read") as pool:
        try:
            for row in rows:
                waiting.append((row, pool.submit(convert, row)))
                if len(waiting) >= readers:
                    done, future = waiting.popleft()
                    yield done, future.result()
            while waiting:
                done, future = waiting.popleft()
                yield done, future.result()
        finally:
            pool.shutdown(cancel_futures=True)
