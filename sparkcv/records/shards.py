"""The shards of one split: found, checked against the manifest, and known before a run starts.

TF-Slim's datasets train as they are. Beside sparkcv's own ``<name>_<split>-00000-of-00010.tfrecord`` these names are
known: ``<name>_<split>_00000-of-00010.tfrecord`` (flowers), ``<name>_<split>.tfrecord`` (cifar10, mnist) and
``<split>-00000-of-00010`` (imagenet). Without a manifest the number of records is estimated, and that is said.
"""

import dataclasses
import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from sparkcv import logs, storage
from sparkcv.errors import ShardError
from sparkcv.records import tfrecord
from sparkcv.records.assignment import Assignment, assign
from sparkcv.records.example import SLIM_FEATURES, FeatureNames
from sparkcv.records.labels import read_labels
from sparkcv.records.manifest import FILE_NAME as MANIFEST
from sparkcv.records.manifest import SplitEntry, read_manifest
from sparkcv.storage import Entry

__all__ = ["Assignment", "Dataset", "Shard", "assign", "open_dataset", "shard_name", "shard_pattern"]

_SERIES = r"(?P<index>\d{5,})-of-(?P<count>\d{5,})"
_ESTIMATE_BYTES = 16 << 20


@dataclasses.dataclass(frozen=True)
class Shard:
    """One shard file; ``num_records`` and ``crc32c`` (8 hexadecimal digits) are None without a manifest."""

    url: str
    num_records: int | None
    num_bytes: int
    crc32c: str | None


@dataclasses.dataclass(frozen=True)
class Dataset:
    """One split, checked: ``labels[i]`` names label ``i``; ``digest`` is equal where the data is equal."""

    name: str
    split: str
    dir: str
    shards: tuple[Shard, ...]
    labels: tuple[str, ...]
    num_records: int
    is_estimated: bool
    digest: str
    features: FeatureNames = SLIM_FEATURES

    @property
    def num_classes(self) -> int:
        """The number of classes in labels.txt."""
        return len(self.labels)

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON value that :meth:`from_dict` reads."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> "Dataset":
        """Make a Dataset from what :meth:`to_dict` gave, also after a way through JSON."""
        shards = tuple(Shard(**shard) for shard in value["shards"])
        features = value.get("features", {})
        names = FeatureNames(**{**features, "texts": tuple(features.get("texts", ()))})
        return cls(**{**value, "shards": shards, "labels": tuple(value["labels"]), "features": names})


def shard_name(name: str, split: str, index: int, num_shards: int) -> str:
    """Return ``<name>_<split>-00000-of-00010.tfrecord``."""
    return f"{name}_{split}-{index:05d}-of-{num_shards:05d}.tfrecord"


def shard_pattern(name: str, split: str) -> re.Pattern[str]:
    """Return the pattern of a split's file names, TF-Slim's own included, with groups ``index`` and ``count``."""
    return re.compile(rf"{re.escape(name)}_{re.escape(split)}([-_]{_SERIES})?\.tfrecord")


def open_dataset(dataset_dir: str, name: str, split: str) -> Dataset:
    """Find and check the shards of a split.

    Raises:
        MissingFileError: no such folder.
        ShardError: no shards, a number of the series missing, labels.txt missing or bad, no records, or anything
            that is not as manifest.json says.
    """
    entries = [entry for entry in storage.list_dir(dataset_dir) if not entry.is_dir]
    manifest = read_manifest(dataset_dir) if any(entry.name == MANIFEST for entry in entries) else None
    found = _find(entries, name, split, dataset_dir)
    labels = read_labels(dataset_dir)
    if manifest is None:
        dataset = _from_listing(dataset_dir, name, split, found, labels)
    else:
        if manifest.labels != labels:
            raise ShardError(f"{dataset_dir!r}: labels.txt and {MANIFEST} name different classes")
        if split not in manifest.splits:
            raise ShardError(f"{dataset_dir!r}: {MANIFEST} has no split {split!r}, only {sorted(manifest.splits)}")
        dataset = _from_manifest(dataset_dir, name, split, found, labels, manifest.splits[split])
    if dataset.num_records == 0:
        raise ShardError(f"the split {split!r} of {name!r} in {dataset_dir!r} has no records")
    return dataset


def _find(entries: list[Entry], name: str, split: str, dataset_dir: str) -> list[Entry]:
    """Return the shards of a split in order of their number, complete."""
    imagenet = re.compile(rf"{re.escape(split)}-{_SERIES}(\.tfrecord)?")
    for pattern in (shard_pattern(name, split), imagenet):
        matches = [(match, entry) for entry in entries if (match := pattern.fullmatch(entry.name))]
        if matches:
            break
    else:
        others = sorted({re.split(r"[-_]\d{5,}-of-", e.name)[0] for e in entries if e.name.endswith(".tfrecord")})
        has = f"it has {', '.join(map(repr, others[:10]))}" if others else "it has no .tfrecord file"
        raise ShardError(f"no shards {name}_{split}-*.tfrecord in {dataset_dir!r}: {has}")
    counts = sorted({int(match["count"] or 0) for match, _ in matches})
    if counts == [0]:
        return [entry for _, entry in matches]
    if len(counts) > 1:
        raise ShardError(f"{dataset_dir!r} holds shards of {counts} in all for {name}_{split}, wanted one series")
    by_index = {int(match["index"]): entry for match, entry in matches}
    missing = [index for index in range(counts[0]) if index not in by_index]
    if missing or len(by_index) != counts[0]:
        first = f", first number {missing[0]:05d}" if missing else ""
        raise ShardError(
            f"{dataset_dir!r} holds {len(by_index)} shards of {name}_{split}, wanted {counts[0]}: "
            f"{len(missing)} missing{first}"
        )
    return [by_index[index] for index in range(counts[0])]


def _from_manifest(
    dataset_dir: str, name: str, split: str, found: list[Entry], labels: tuple[str, ...], wanted: SplitEntry
) -> Dataset:
    sizes = {entry.name: entry.size for entry in found}
    for shard in wanted.shards:
        if shard.name not in sizes:
            raise ShardError(f"{dataset_dir!r} has no shard {shard.name!r}, which {MANIFEST} names")
        if sizes[shard.name] != shard.bytes:
            url = storage.join(dataset_dir, shard.name)
            raise ShardError(f"{url!r} has {sizes[shard.name]} bytes, {MANIFEST} says {shard.bytes}")
        beyond = [int(label) for label in shard.labels if int(label) >= len(labels)]
        if beyond:
            raise ShardError(f"{shard.name!r} holds label {max(beyond)}, labels.txt has {len(labels)} classes")
    if extra := sorted(sizes.keys() - {shard.name for shard in wanted.shards}):
        raise ShardError(f"{dataset_dir!r} holds the shard {extra[0]!r}, which {MANIFEST} does not name")
    shards = tuple(
        Shard(storage.join(dataset_dir, shard.name), shard.records, shard.bytes, shard.crc32c)
        for shard in wanted.shards
    )
    num_records = sum(shard.records for shard in wanted.shards)
    return Dataset(name, split, dataset_dir, shards, labels, num_records, False, wanted.digest)


def _from_listing(dataset_dir: str, name: str, split: str, found: list[Entry], labels: tuple[str, ...]) -> Dataset:
    num_records = _estimate_records(found)
    logs.get(__name__).warning(
        "%s has no %s: about %d records by the size of the first shard, and no CRC of whole shards to check",
        logs.clean(dataset_dir), MANIFEST, num_records,
    )  # fmt: skip
    rows = json.dumps([(entry.name, entry.size) for entry in found])
    shards = tuple(Shard(entry.url, None, entry.size, None) for entry in found)
    digest = hashlib.sha256(rows.encode()).hexdigest()
    return Dataset(name, split, dataset_dir, shards, labels, num_records, True, digest)


def _estimate_records(found: list[Entry]) -> int:
    """Scale the records of the first shard that holds any, reading at most 16 MiB of it."""
    sample = next((entry for entry in found if entry.size), None)
    if sample is None:
        return 0
    data = storage.read_bytes(sample.url, 0, min(sample.size, _ESTIMATE_BYTES))
    records, _ = tfrecord.scan(data, sample.name)
    if not records:
        raise ShardError(f"{sample.url!r} holds no intact record in its first {len(data)} bytes")
    covered = records[-1].offset + tfrecord.HEADER_BYTES + records[-1].payload.nbytes + tfrecord.FOOTER_BYTES
    return max(1, round(sum(entry.size for entry in found) * len(records) / covered))
