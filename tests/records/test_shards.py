"""Shards: a dataset is opened whole and checked, or refused with what is wrong with it."""

import json
import logging

import pytest

from sparkcv import storage
from sparkcv.errors import MissingFileError, ShardError
from sparkcv.records import tfrecord
from sparkcv.records.labels import write_labels
from sparkcv.records.manifest import Manifest, ShardEntry, SplitEntry, write_manifest
from sparkcv.records.shards import Dataset, open_dataset, shard_name


@pytest.fixture
def folder(tmp_path):
    """A dataset 'n' of two classes with a manifest: train has 3 shards of 2, 3 and 4 records, test has 1."""
    url = str(tmp_path / "data")
    splits = {"train": _write(url, "train", (2, 3, 4)), "test": _write(url, "test", (1,))}
    write_labels(url, ["a", "b"])
    write_manifest(url, Manifest("n", ("a", "b"), splits))
    return url


def _write(url: str, split: str, counts: tuple[int, ...]) -> SplitEntry:
    entries = []
    for index, count in enumerate(counts):
        data = b"".join(tfrecord.frame(b"x" * 50) for _ in range(count))
        name = shard_name("n", split, index, len(counts))
        storage.write_bytes(storage.join(url, name), data)
        entries.append(ShardEntry(name, count, len(data), "0" * 8, {"0": count}))
    return SplitEntry(0, tuple(entries))


@pytest.fixture
def said(caplog):
    """What our log says, also after a job's set-up cut it off from the root."""
    logger = logging.getLogger("sparkcv")
    logger.addHandler(caplog.handler)
    yield caplog
    logger.removeHandler(caplog.handler)


def test_names_are_slims():
    assert shard_name("flowers", "train", 3, 10) == "flowers_train-00003-of-00010.tfrecord"


def test_a_dataset_with_a_manifest_is_known_exactly(folder):
    dataset = open_dataset(folder, "n", "train")
    assert dataset.num_records == 9
    assert not dataset.is_estimated
    assert dataset.num_classes == 2
    assert dataset.labels == ("a", "b")
    assert [shard.num_records for shard in dataset.shards] == [2, 3, 4]
    assert [storage.basename(shard.url) for shard in dataset.shards] == [
        shard_name("n", "train", index, 3) for index in range(3)
    ]
    assert [shard.num_bytes for shard in dataset.shards] == [132, 198, 264]


def test_a_dataset_goes_through_json(folder):
    dataset = open_dataset(folder, "n", "train")
    assert Dataset.from_dict(json.loads(json.dumps(dataset.to_dict()))) == dataset


def test_splits_do_not_mix(folder):
    assert open_dataset(folder, "n", "test").num_records == 1


def test_equal_data_has_an_equal_digest_wherever_it_lies(folder, tmp_path):
    storage.publish_dir(folder, str(tmp_path / "copy"))
    copy = open_dataset(str(tmp_path / "copy"), "n", "train")
    assert copy.digest == open_dataset(folder, "n", "train").digest
    assert copy.digest != open_dataset(folder, "n", "test").digest


def test_without_a_manifest_the_count_is_estimated_and_that_is_said(folder, said):
    storage.delete(storage.join(folder, "manifest.json"))
    dataset = open_dataset(folder, "n", "train")
    assert (dataset.num_records, dataset.is_estimated) == (9, True)
    assert [shard.num_records for shard in dataset.shards] == [None] * 3
    assert "has no manifest.json: about 9 records by the size of the first shard" in said.text


def test_the_estimate_skips_empty_shards_and_survives_a_cut_one(folder):
    storage.delete(storage.join(folder, "manifest.json"))
    first, second = (storage.join(folder, shard_name("n", "train", index, 3)) for index in range(2))
    storage.write_bytes(first, b"")
    assert open_dataset(folder, "n", "train").num_records == 7
    storage.write_bytes(second, storage.read_bytes(second)[:-1])
    assert open_dataset(folder, "n", "train").num_records == 7


def test_a_first_shard_that_is_no_tfrecord_is_refused(folder):
    storage.delete(storage.join(folder, "manifest.json"))
    storage.write_bytes(storage.join(folder, shard_name("n", "train", 0, 3)), b"no frames here")
    with pytest.raises(ShardError, match=r"holds no intact record in its first 14 bytes"):
        open_dataset(folder, "n", "train")


@pytest.mark.parametrize(
    "names",
    [
        ["flowers_train_00000-of-00002.tfrecord", "flowers_train_00001-of-00002.tfrecord"],
        ["flowers_train.tfrecord"],
        ["train-00000-of-00002", "train-00001-of-00002"],
    ],
)
def test_slims_own_datasets_open_as_they_are(tmp_path, names):
    for name in names:
        (tmp_path / name).write_bytes(tfrecord.frame(b"x") * 5)
    write_labels(str(tmp_path), ["daisy"])
    dataset = open_dataset(str(tmp_path), "flowers", "train")
    assert dataset.num_records == 5 * len(names)
    assert [storage.basename(shard.url) for shard in dataset.shards] == names


def test_a_missing_folder_says_so(tmp_path):
    with pytest.raises(MissingFileError, match="nowhere"):
        open_dataset(str(tmp_path / "nowhere"), "n", "train")


def test_an_empty_folder_says_that_it_has_no_shards(tmp_path):
    with pytest.raises(ShardError, match=r"no shards n_train-\*.tfrecord in .*: it has no file"):
        open_dataset(str(tmp_path), "n", "train")


def test_another_name_or_split_is_answered_with_those_that_are_there(folder):
    with pytest.raises(ShardError, match=r"no shards m_train-\*.tfrecord in .*: it has 'n_test', 'n_train'"):
        open_dataset(folder, "m", "train")


def test_a_missing_number_of_the_series_is_named(folder):
    storage.delete(storage.join(folder, shard_name("n", "train", 1, 3)))
    with pytest.raises(ShardError, match=r"holds 2 shards of n_train, wanted 3: 1 missing, first number 00001"):
        open_dataset(folder, "n", "train")


def test_two_series_of_one_split_are_refused(folder):
    storage.write_bytes(storage.join(folder, shard_name("n", "train", 0, 5)), b"")
    with pytest.raises(ShardError, match=r"holds shards of \[3, 5\] in all for n_train, wanted one series"):
        open_dataset(folder, "n", "train")


def test_a_number_beyond_the_series_is_refused(folder):
    storage.write_bytes(storage.join(folder, "n_train-00007-of-00003.tfrecord"), b"")
    with pytest.raises(ShardError, match=r"holds 4 shards of n_train, wanted 3"):
        open_dataset(folder, "n", "train")


def test_a_shard_of_another_size_than_the_manifests_is_refused(folder):
    storage.append_bytes(storage.join(folder, shard_name("n", "train", 1, 3)), b"x")
    with pytest.raises(ShardError, match=r"n_train-00001-of-00003.tfrecord' has 199 bytes, manifest.json says 198"):
        open_dataset(folder, "n", "train")


def test_other_shards_than_the_manifests_are_refused(folder):
    splits = {"train": _write(folder, "train", (2, 3, 4))}
    fewer = SplitEntry(0, splits["train"].shards[:2])
    write_manifest(folder, Manifest("n", ("a", "b"), {"train": fewer}))
    with pytest.raises(ShardError, match=r"holds the shard 'n_train-00002.*', which manifest.json does not name"):
        open_dataset(folder, "n", "train")
    renamed = ShardEntry("n_train-00009-of-00003.tfrecord", 1, 1, "", {})
    write_manifest(folder, Manifest("n", ("a", "b"), {"train": SplitEntry(0, (renamed,))}))
    with pytest.raises(ShardError, match=r"has no shard 'n_train-00009.*', which manifest.json names"):
        open_dataset(folder, "n", "train")


def test_a_split_that_the_manifest_does_not_know_is_refused(folder):
    _write(folder, "dev", (1,))
    with pytest.raises(ShardError, match=r"manifest.json has no split 'dev', only \['test', 'train'\]"):
        open_dataset(folder, "n", "dev")


def test_labels_that_disagree_with_the_manifest_are_refused(folder):
    write_labels(folder, ["a", "c"])
    with pytest.raises(ShardError, match=r"labels.txt and manifest.json name different classes"):
        open_dataset(folder, "n", "train")


def test_a_label_beyond_the_classes_is_refused(folder):
    entry = _write(folder, "train", (1,)).shards[0]
    for index in range(3):
        storage.delete(storage.join(folder, shard_name("n", "train", index, 3)))
    beyond = ShardEntry(entry.name, 1, entry.bytes, entry.crc32c, {"2": 1})
    write_manifest(folder, Manifest("n", ("a", "b"), {"train": SplitEntry(0, (beyond,))}))
    with pytest.raises(ShardError, match=r"holds label 2, labels.txt has 2 classes"):
        open_dataset(folder, "n", "train")


def test_missing_labels_are_refused(folder):
    storage.delete(storage.join(folder, "labels.txt"))
    with pytest.raises(ShardError, match=r"has no labels.txt"):
        open_dataset(folder, "n", "train")


def test_a_split_without_records_is_refused(folder):
    write_manifest(folder, Manifest("n", ("a", "b"), {"void": _write(folder, "void", (0, 0))}))
    with pytest.raises(ShardError, match=r"the split 'void' of 'n' in .* has no records"):
        open_dataset(folder, "n", "void")
    storage.delete(storage.join(folder, "manifest.json"))
    with pytest.raises(ShardError, match=r"the split 'void' of 'n' in .* has no records"):
        open_dataset(folder, "n", "void")
