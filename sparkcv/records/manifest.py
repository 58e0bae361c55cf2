"""``manifest.json``: what a dataset's shards must be, written last, so that its presence says that all of it is there.

One file a dataset folder, one key a split::

    {"schema": 1, "dataset_name": "flowers", "labels": ["daisy", ...],
     "splits": {"train": {"seed": 0, "pictures": {"background": "ffffff", ...},
                          "shards": [{"name", "records", "bytes", "crc32c", "labels": {"0": 12, ...}}]}}}

``crc32c`` is of the whole shard file, as eight hexadecimal digits; ``labels`` counts the records of each label.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sparkcv import storage
from sparkcv.errors import ShardError

FILE_NAME = "manifest.json"
SCHEMA = 1


@dataclass(frozen=True)
class ShardEntry:
    """One shard as the manifest knows it; ``labels`` counts the records of each label."""

    name: str
    records: int
    bytes: int
    crc32c: str
    labels: Mapping[str, int]


@dataclass(frozen=True)
class SplitEntry:
    """One split: its shards in order, the seed of the order of their records, and what became of the pictures."""

    seed: int
    shards: tuple[ShardEntry, ...]
    pictures: Mapping[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """Sha256 over the shards' names, sizes and CRCs: equal data has an equal digest, wherever it lies."""
        rows = [(shard.name, shard.records, shard.bytes, shard.crc32c) for shard in self.shards]
        return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


@dataclass(frozen=True)
class Manifest:
    """The manifest of one dataset folder."""

    dataset_name: str
    labels: tuple[str, ...]
    splits: Mapping[str, SplitEntry] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON value of the file."""
        splits = {
            name: {
                "seed": split.seed,
                "shards": [vars(shard) for shard in split.shards],
                **({"pictures": dict(split.pictures)} if split.pictures else {}),
            }
            for name, split in self.splits.items()
        }
        return {
            "schema": SCHEMA,
            "dataset_name": self.dataset_name,
            "labels": list(self.labels),
            "splits": splits,
        }


def read_manifest(dataset_dir: str) -> Manifest | None:
    """Read a folder's manifest, or None if it has none.

    Raises:
        ShardError: the file is no manifest, or one of a schema that this version does not read.
    """
    url = storage.join(dataset_dir, FILE_NAME)
    if not storage.exists(url):
        return None
    return parse_manifest(storage.read_json(url), url)


def write_manifest(dataset_dir: str, manifest: Manifest) -> None:
    """Write the manifest atomically; the caller has written everything that it names."""
    storage.write_json(storage.join(dataset_dir, FILE_NAME), manifest.to_json())


def parse_manifest(value: Any, where: str) -> Manifest:
    """Make a Manifest from its JSON value, refusing what is not of its shape."""
    try:
        if value["schema"] != SCHEMA:
            raise ShardError(f"{where!r} has schema {value['schema']!r}, this version reads {SCHEMA}")
        splits = {
            str(name): SplitEntry(
                _integer(split["seed"]),
                tuple(_shard(shard) for shard in split["shards"]),
                {str(key): str(said) for key, said in split.get("pictures", {}).items()},
            )
            for name, split in value["splits"].items()
        }
        return Manifest(str(value["dataset_name"]), tuple(str(label) for label in value["labels"]), splits)
    except ShardError:
        raise
    except (KeyError, TypeError, AttributeError, ValueError) as err:
        raise ShardError(f"{where!r} is no manifest of schema {SCHEMA}: {type(err).__name__} at {err}") from err


def _shard(value: Any) -> ShardEntry:
    name = value["name"]
    if not isinstance(name, str) or "/" in name or name in ("", ".", ".."):
        raise ValueError(f"the shard name {name!r}")  # a name from data never leaves its folder
    return ShardEntry(
        name=name,
        records=_integer(value["records"]),
        bytes=_integer(value["bytes"]),
        crc32c=str(value["crc32c"]),
        labels={str(int(label)): _integer(count) for label, count in value["labels"].items()},
    )


def _integer(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"the number {value!r}")
    return value
