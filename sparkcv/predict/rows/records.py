"""TFRecord shards: ids are ``<shard>:<ordinal>``, so a damaged record still has one.

Where a manifest or a count vouches for the number of records, every one of them is a row, and what a damaged length
swallowed is rejected one by one. A shard may be packed by gzip or zlib, whatever its name. Labels are not looked at:
pictures to score need none.
"""

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from sparkcv import storage
from sparkcv.errors import ShardError
from sparkcv.predict.rows.finding import InputFiles
from sparkcv.predict.rows.left_out import LeftOut
from sparkcv.predict.rows.parts import TRUTH, InputPart, InputRow
from sparkcv.records.compression import BREAKS_OFF
from sparkcv.records.features import parse_features
from sparkcv.records.manifest import Manifest, read_manifest
from sparkcv.records.mapped import mapped
from sparkcv.records.tfrecord import BadRecord, Record, read_all

KIND = "records"

_FILENAME, _ORIENTATION = "image/filename", "image/orientation"
_TEXT, _LABEL = "image/class/text", "image/class/label"


def freeze(
    files: InputFiles, image_feature: str, use_exif: bool, left_out: LeftOut | None = None
) -> Iterator[InputPart]:
    """Yield one part a shard: counted where a ``manifest.json`` lies beside it, else with ``stop`` None.

    Raises ShardError for a shard whose size is not as its manifest says.
    """
    manifests: dict[str, Manifest | None] = {}
    for entry in files.entries(left_out):
        folder = storage.parent(entry.url)
        if folder not in manifests:
            manifests[folder] = read_manifest(folder)
        count = _count(manifests[folder], entry.name, entry.size, entry.url)
        if count != 0:
            yield InputPart(
                *(KIND, entry.url, files.name(entry), 0, count, entry.size),
                num_records=count,
                image_feature=image_feature,
                use_exif=use_exif,
                row_bytes=entry.size // count if count else 0,
            )


def count(part: InputPart) -> int:
    """Read a whole shard and count its records; a damaged place is one."""
    with mapped(part.url, num_bytes=part.num_bytes) as shard:
        return sum(item.num_records for item in _items(*shard, None))


def read_ids(part: InputPart) -> Iterator[str]:
    """Yield the ids of a part without reading the shard."""
    return (f"{part.name}:{ordinal}" for ordinal in range(part.start, part.stop or 0))


def read_rows(part: InputPart) -> Iterator[InputRow]:
    """Yield the rows of a part; a damaged or missing record is a row with a reason.

    Raises ShardError if the shard is not as large as when it was listed.
    """
    with mapped(part.url, num_bytes=part.num_bytes) as shard:
        items = (item for item in _items(*shard, part.num_records) for _ in range(item.num_records))
        for name, item in zip(read_ids(part), itertools.islice(items, part.start, part.stop or 0), strict=True):
            if isinstance(item, Record):
                yield _row(part, name, bytes(item.payload))
            else:
                head = "damaged record" if item.lost_bytes and item.num_records == 1 else "lost"
                yield InputRow(name, reason=f"{head}: {item.reason}")


def _items(data: memoryview, is_whole: bool, num_records: int | None) -> list[Record | BadRecord]:
    """Return a shard's records; where nothing counts them, a compressed one that is cut between two ends with a loss.

    Cut inside of a record it has one there already.
    """
    found = read_all(data, num_records)
    if not is_whole and num_records is None and (not found or isinstance(found[-1], Record)):
        found.append(BadRecord(data.nbytes, BREAKS_OFF, 0))
    return found


def _row(part: InputPart, name: str, payload: bytes) -> InputRow:
    try:
        features = parse_features(payload)
    except ValueError as err:
        return InputRow(name, reason=f"no tf.train.Example: {err}")
    filename = _one(features.get(_FILENAME))
    encoded = _one(features.get(part.image_feature))
    text = None if filename is None else filename.decode("utf-8", "backslashreplace")
    if encoded is None:
        return InputRow(name, reason=f"no picture: the Example has no {part.image_feature}", filename=text)
    stored = features.get(_ORIENTATION)
    turned = stored.items[0] if stored and stored.kind is int and len(stored.items) == 1 else None
    orientation = int(turned) if turned is not None else (None if part.use_exif else 1)
    kept = {TRUTH: _truth(features, part.truth)} if part.truth else {}
    return InputRow(name, data=encoded, filename=text, kept=kept, is_record=True, orientation=orientation)


def _truth(features: Mapping[str, Any], told_by: str) -> str | None:
    """Return what an Example says that its picture shows: the label's name, else its number if numbers count."""
    if text := _one(features.get(_TEXT)):
        return text.decode("utf-8", "backslashreplace")
    label = features.get(_LABEL)
    is_number = told_by.startswith("records:") and label and label.kind is int and len(label.items) == 1
    return str(int(label.items[0]) - int(told_by.removeprefix("records:"))) if label and is_number else None


def _one(value: object) -> bytes | None:
    items = getattr(value, "items", None)
    return bytes(items[0]) if items and len(items) == 1 and isinstance(items[0], bytes | memoryview) else None


def _count(manifest: Manifest | None, name: str, size: int, url: str) -> int | None:
    for split in manifest.splits.values() if manifest else ():
        for shard in split.shards:
            if shard.name != name:
                continue
            if shard.bytes != size:
                raise ShardError(f"{url!r} has {size} bytes, manifest.json says {shard.bytes}")
            return shard.records
    return None if size else 0
