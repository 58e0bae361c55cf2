"""The shards of one split: found, checked against the manifest, and known before a run starts.

TF-Slim's datasets train as they are. Beside sparkcv's own ``<name>_<split>-00000-of-00010.tfrecord`` these names are
known: ``<name>_<split>_00000-of-00010.tfrecord`` (flowers), ``<name>_<split>.tfrecord`` (cifar10, mnist),
``<split>-00000-of-00010`` (imagenet), ``<name>-<split>.tfrecord-00000-of-00010`` (TensorFlow Datasets), the same with
``.record`` (Object Detection), and a folder ``<split>`` of ``part-r-00000`` (Hadoop) or ``part-00000-<uuid>-c000``
(Spark, none for an empty partition and several for a large one), each also with ``.gz``. Without a manifest the
number of records is estimated, and that is said.
"""

import contextlib
import dataclasses
import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from sparkcv import logs, storage
from sparkcv.errors import ShardError
from sparkcv.records import compression, tfrecord
from sparkcv.records.assignment import Assignment, assign
from sparkcv.records.example import SLIM_FEATURES, FeatureNames
from sparkcv.records.features import parse_features
from sparkcv.records.labels import read_labels
from sparkcv.records.manifest import FILE_NAME as MANIFEST
from sparkcv.records.manifest import SplitEntry, read_manifest
from sparkcv.storage import Entry

__all__ = ["Assignment", "Dataset", "Shard", "assign", "open_dataset", "shard_name", "shard_pattern"]

_SERIES = r"(?P<index>\d{5,})-of-(?P<count>\d{5,})"
_ENDING = r"(\.(tfrecords?|tfrec|record))?(\.gz)?"
_PART = re.compile(rf"part-([rm]-)?(?P<index>\d{{5,}}){_ENDING}")
_SPARK_PART = re.compile(rf"part-\d{{5,}}-[0-9a-f-]{{36}}([.-]c\d+)?{_ENDING}")
_ESTIMATE_BYTES = 16 << 20
_LISTED = 10
_LOOKED_AT = 20


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


def open_dataset(dataset_dir: str, name: str, split: str, features: FeatureNames = SLIM_FEATURES) -> Dataset:
    """Find and check the shards of a split, whose records hold picture and label in ``features``.

    Raises:
        MissingFileError: no such folder.
        ShardError: no shards, a number of the series missing, labels.txt missing or bad, no records, records that do
            not have the features, or anything that is not as manifest.json says.
    """
    entries = [entry for entry in storage.list_dir(dataset_dir) if not entry.is_dir]
    manifest = read_manifest(dataset_dir) if any(entry.name == MANIFEST for entry in entries) else None
    found = _find(entries, name, split, dataset_dir)
    labels = read_labels(dataset_dir)
    if manifest is None:
        dataset = _from_listing(dataset_dir, name, split, found, labels, features)
    else:
        if manifest.labels != labels:
            raise ShardError(f"{dataset_dir!r}: labels.txt and {MANIFEST} name different classes")
        if split not in manifest.splits:
            raise ShardError(f"{dataset_dir!r}: {MANIFEST} has no split {split!r}, only {sorted(manifest.splits)}")
        dataset = _from_manifest(dataset_dir, name, split, found, labels, manifest.splits[split])
        if features != SLIM_FEATURES:
            dataset = dataclasses.replace(dataset, features=_looked_at(found, labels, features)[1])
    if dataset.num_records == 0:
        raise ShardError(f"the split {split!r} of {name!r} in {dataset_dir!r} has no records")
    return dataset


def _find(entries: list[Entry], name: str, split: str, dataset_dir: str) -> list[Entry]:
    """Return the shards of a split in order of their number, complete."""
    named, part = re.escape(name), re.escape(split)
    patterns = (
        shard_pattern(name, split),
        re.compile(rf"{part}-{_SERIES}(\.tfrecords?)?(\.gz)?"),
        re.compile(rf"({named}[-_])?{part}\.(tfrecords?|tfrec|record)-{_SERIES}(\.gz)?"),
        re.compile(rf"{named}[-_]{part}([-_]{_SERIES})?\.(tfrecords?|tfrec|record)(\.gz)?"),
    )
    for pattern in patterns:
        matches = [(match, entry) for entry in entries if (match := pattern.fullmatch(entry.name))]
        if matches:
            return _complete(matches, f"{name}_{split}", dataset_dir)
    url = storage.join(dataset_dir, split)
    files = _files(url)
    parts = [(match, entry) for entry in files if (match := _PART.fullmatch(entry.name))]
    of_spark = [entry for entry in files if _SPARK_PART.fullmatch(entry.name)]
    if parts and of_spark:
        raise ShardError(f"{url!r} holds parts of two writings, such as {parts[0][1].name!r} and {of_spark[0].name!r}")
    if parts:
        return _complete(parts, "part", url)
    if of_spark:
        of_names = {entry.name for entry in of_spark}
        if twice := sorted(name for name in of_names if f"{name}.gz" in of_names):
            raise ShardError(f"{url!r} holds {twice[0]!r} and the same with '.gz', wanted one of them")
        return of_spark
    names = {entry.name: re.split(r"[-_]\d{5,}-of-", entry.name)[0] for entry in entries}
    series = {start for whole, start in names.items() if start != whole or ".tfrecord" in whole}
    there = sorted(series or names)  # a series of shards once, and other files only where there is none
    has = ", ".join(map(repr, there[:_LISTED])) or "no file"
    more = f" and {len(there) - _LISTED} more" if len(there) > _LISTED else ""
    hint = ""
    if any(_PART.fullmatch(entry.name) or _SPARK_PART.fullmatch(entry.name) for entry in entries):
        hint = f"; part files name no split: wanted them in a folder {split!r} of it"
    raise ShardError(f"no shards {name}_{split}-*.tfrecord in {dataset_dir!r}: it has {has}{more}{hint}")


def _files(url: str) -> list[Entry]:
    return [entry for entry in storage.list_dir(url) if not entry.is_dir] if storage.is_dir(url) else []


def _complete(matches: list[tuple[re.Match[str], Entry]], what: str, dataset_dir: str) -> list[Entry]:
    """Return the files of a series in its order; refuse one that lacks a number."""
    groups = matches[0][0].groupdict()
    if "count" not in groups:  # part files do not say how many they are
        of_parts = {int(match["index"]): entry for match, entry in matches}
        counts = [max(of_parts) + 1]
    else:
        counts = sorted({int(match["count"] or 0) for match, _ in matches})
    if counts == [0]:
        if len(matches) > 1:  # one of them unpacked beside the other, say: no record is to come twice
            both = " and ".join(repr(entry.name) for _, entry in matches)
            raise ShardError(f"{dataset_dir!r} holds {both} for {what}, wanted one file or one series")
        return [entry for _, entry in matches]
    if len(counts) > 1:
        raise ShardError(f"{dataset_dir!r} holds shards of {counts} in all for {what}, wanted one series")
    by_index = {int(match["index"]): entry for match, entry in matches}
    missing = [index for index in range(counts[0]) if index not in by_index]
    if missing or len(by_index) != counts[0] or len(by_index) != len(matches):
        first = f", first number {missing[0]:05d}" if missing else ""
        raise ShardError(
            f"{dataset_dir!r} holds {len(matches)} shards of {what}, wanted {counts[0]}: {len(missing)} missing{first}"
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


def _from_listing(
    dataset_dir: str, name: str, split: str, found: list[Entry], labels: tuple[str, ...], features: FeatureNames
) -> Dataset:
    num_records, names = _looked_at(found, labels, features)
    logs.get(__name__).warning(
        "%s has no %s: about %d records by the size of the first shard, and no CRC of whole shards to check",
        logs.clean(dataset_dir), MANIFEST, num_records,
    )  # fmt: skip
    rows = json.dumps([(entry.name, entry.size) for entry in found])
    shards = tuple(Shard(entry.url, None, entry.size, None) for entry in found)
    digest = hashlib.sha256(rows.encode()).hexdigest()
    return Dataset(name, split, dataset_dir, shards, labels, num_records, True, digest, names)


def _looked_at(found: list[Entry], labels: tuple[str, ...], features: FeatureNames) -> tuple[int, FeatureNames]:
    """Scale the records of the first shard that holds any, reading at most 16 MiB of it; see what its features are."""
    for sample in (entry for entry in found if entry.size):
        stored = storage.read_bytes(sample.url, 0, min(sample.size, _ESTIMATE_BYTES))
        data = compression.expand_start(stored, _ESTIMATE_BYTES) if compression.is_compressed(stored) else stored
        if data:  # an empty partition is a compressed stream of nothing
            break
    else:
        return 0, features
    records = [item for item in tfrecord.read_all(data) if isinstance(item, tfrecord.Record)]
    if not records:
        raise ShardError(f"{sample.url!r} holds no intact record in its first {len(data)} bytes")
    covered = records[-1].offset + tfrecord.HEADER_BYTES + records[-1].payload.nbytes + tfrecord.FOOTER_BYTES
    # Compressed or not, the bytes stored are about as many: pictures are compressed already.
    num_records = max(1, round(sum(entry.size for entry in found) * len(records) / covered))
    return num_records, _features_of(records[:_LOOKED_AT], labels, features, sample.url)


def _features_of(
    records: list[tfrecord.Record], labels: tuple[str, ...], wanted: FeatureNames, where: str
) -> FeatureNames:
    """Return the features as some of these records have them; raise ShardError if none has picture and label."""
    seen: dict[str, type | None] = {}
    for record in records:
        with contextlib.suppress(ValueError):  # no Example: it will be a reject
            seen |= {name: value.kind for name, value in parse_features(record.payload).items() if value.items}
    for name, flag in ((wanted.image, "--image_feature"), (wanted.label, "--label_feature")):
        if name not in seen and seen:
            has = ", ".join(f"{other} ({kind.__name__})" for other, kind in sorted(seen.items()) if kind)
            raise ShardError(f"the records of {where!r} have no {name}, they have {has[:1000]}; name it by {flag}")
    return dataclasses.replace(wanted, texts=labels if seen.get(wanted.label) is bytes else ())
