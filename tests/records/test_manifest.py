"""manifest.json: what it vouches for, and what is not believed."""

import copy
import json

import pytest

from sparkcv.errors import ShardError, StorageError
from sparkcv.records.manifest import (
    Manifest,
    ShardEntry,
    SplitEntry,
    parse_manifest,
    read_manifest,
    write_manifest,
)

SHARD = ShardEntry("n_train-00000-of-00001.tfrecord", 3, 100, "00abcdef", {"0": 1, "1": 2})
MANIFEST = Manifest("n", ("a", "b"), {"train": SplitEntry(7, (SHARD,))})


def test_a_manifest_comes_back_as_it_went(tmp_path):
    write_manifest(str(tmp_path), MANIFEST)
    assert read_manifest(str(tmp_path)) == MANIFEST


def test_the_file_is_as_documented(tmp_path):
    write_manifest(str(tmp_path), MANIFEST)
    value = json.loads((tmp_path / "manifest.json").read_text())
    assert value == {
        "schema": 1,
        "dataset_name": "n",
        "labels": ["a", "b"],
        "splits": {
            "train": {
                "seed": 7,
                "shards": [
                    {
                        "name": "n_train-00000-of-00001.tfrecord",
                        "records": 3,
                        "bytes": 100,
                        "crc32c": "00abcdef",
                        "labels": {"0": 1, "1": 2},
                    }
                ],
            }
        },
    }


def test_a_folder_without_one_has_none(tmp_path):
    assert read_manifest(str(tmp_path)) is None


def test_the_digest_is_of_the_data_not_of_the_seed():
    other = SplitEntry(8, (SHARD,))
    assert other.digest == MANIFEST.splits["train"].digest
    changed = SplitEntry(7, (ShardEntry(SHARD.name, 3, 100, "00abcdee", SHARD.labels),))
    assert changed.digest != other.digest


def test_a_torn_file_is_refused(tmp_path):
    (tmp_path / "manifest.json").write_text('{"schema": 1, "spl')
    with pytest.raises(StorageError, match=r"manifest.json' is not JSON"):
        read_manifest(str(tmp_path))


def test_a_newer_schema_is_refused_naming_both():
    with pytest.raises(ShardError, match=r"'m' has schema 2, this version reads 1"):
        parse_manifest({**MANIFEST.to_json(), "schema": 2}, "m")


@pytest.mark.parametrize("value", [None, [], "x", 3, {}, {"schema": 1}, {"schema": 1, "labels": 3}])
def test_a_value_of_another_shape_is_refused(value):
    with pytest.raises(ShardError, match="'m' is no manifest of schema 1"):
        parse_manifest(value, "m")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("name", "../evil.tfrecord"),
        ("name", "/etc/passwd"),
        ("name", ".."),
        ("name", ""),
        ("name", 5),
        ("records", -1),
        ("records", "3"),
        ("records", True),
        ("records", 1.5),
        ("bytes", None),
        ("labels", [1]),
        ("labels", {"cat": 1}),
        ("labels", {"0": -1}),
    ],
)
def test_a_shard_entry_that_cannot_be_is_refused(key, value):
    damaged = copy.deepcopy(MANIFEST.to_json())
    damaged["splits"]["train"]["shards"][0][key] = value
    with pytest.raises(ShardError, match="'m' is no manifest of schema 1"):
        parse_manifest(damaged, "m")
