"""Publishing: beside what is there or instead of it, never mixed with it."""

import pytest

from sparkcv import storage
from sparkcv.convert import publication
from sparkcv.errors import FileExistsAlreadyError, LabelError, ShardError
from sparkcv.records import labels as labels_txt
from sparkcv.records.manifest import Manifest, ShardEntry, SplitEntry, read_manifest, write_manifest
from sparkcv.records.shards import open_dataset, shard_name


@pytest.fixture
def folder(tmp_path):
    return str(tmp_path / "data")


def stage(folder: str, split: str, num_shards: int, content: bytes) -> tuple[str, SplitEntry]:
    """Stage shards of this content, as if written; returns the staging folder and the split's entry."""
    staging = publication.staging_dir(folder, "n", [split])
    entries = []
    for index in range(num_shards):
        name = shard_name("n", split, index, num_shards)
        storage.write_bytes(storage.join(staging, name), content)
        entries.append(ShardEntry(name, 1, len(content), "0" * 8, {"0": 1}))
    return staging, SplitEntry(0, tuple(entries))


def publish(folder: str, split: str, num_shards: int, content: bytes = b"x", labels=("a", "b")) -> None:
    staging, entry = stage(folder, split, num_shards, content)
    publication.publish(folder, "n", labels, {split: entry}, staging)
    storage.delete(staging, recursive=True)


def files(folder: str) -> list[str]:
    return [entry.name for entry in storage.list_dir(folder)]


def test_a_published_split_opens(folder):
    publish(folder, "train", 2)
    assert open_dataset(folder, "n", "train").num_records == 2
    assert files(folder) == ["labels.txt", "manifest.json", *(shard_name("n", "train", i, 2) for i in range(2))]


def test_a_second_split_joins_the_first(folder):
    publish(folder, "train", 2)
    publish(folder, "test", 1)
    assert open_dataset(folder, "n", "train").num_records == 2
    assert open_dataset(folder, "n", "test").num_records == 1


def test_a_replaced_split_leaves_no_shard_of_the_old_one(folder):
    publish(folder, "train", 3)
    publish(folder, "test", 1)
    storage.write_bytes(storage.join(folder, "n_train_00000-of-00009.tfrecord"), b"slim's own")
    publish(folder, "train", 2, b"new")
    assert [name for name in files(folder) if "train" in name] == [shard_name("n", "train", i, 2) for i in range(2)]
    assert open_dataset(folder, "n", "test").num_records == 1


def test_a_publication_that_stops_midway_leaves_a_split_that_no_reader_takes(folder):
    publish(folder, "train", 2)
    publish(folder, "test", 1)
    staging, entry = stage(folder, "train", 3, b"new")
    storage.delete(storage.join(staging, entry.shards[1].name))
    with pytest.raises(OSError, match="no such file"):
        publication.publish(folder, "n", ("a", "b"), {"train": entry}, staging)
    with pytest.raises(ShardError, match=r"wanted 3: 2 missing|has no split 'train'"):
        open_dataset(folder, "n", "train")
    assert open_dataset(folder, "n", "test").num_records == 1
    with pytest.raises(FileExistsAlreadyError, match="--overwrite"):
        publication.check_free(folder, "n", ["train"], False)
    publish(folder, "train", 3, b"new")
    assert open_dataset(folder, "n", "train").num_records == 3


def test_a_split_that_is_there_is_refused_unless_overwritten(folder):
    publish(folder, "train", 1)
    with pytest.raises(FileExistsAlreadyError, match=r"has a split 'train' of 'n' already, wanted .* or --overwrite"):
        publication.check_free(folder, "n", ["train", "validation"], False)
    publication.check_free(folder, "n", ["train"], True)
    publication.check_free(folder, "n", ["test"], False)


def test_shards_without_a_manifest_count_as_a_split_that_is_there(folder):
    storage.write_bytes(storage.join(folder, "n_train_00000-of-00001.tfrecord"), b"slim's own")
    with pytest.raises(FileExistsAlreadyError, match="has a split 'train'"):
        publication.check_free(folder, "n", ["train"], False)


def test_a_folder_of_another_dataset_is_refused(folder):
    publish(folder, "train", 1)
    with pytest.raises(ShardError, match=r"holds the dataset 'n', not 'm'"):
        publication.check_free(folder, "m", ["test"], True)


def test_a_folder_that_is_not_there_is_free_and_stays_away(folder):
    publication.check_free(folder, "n", ["train"], False)
    publication.check_labels(folder, ["a"], ["train"])
    assert not storage.exists(folder)


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        (("a", "b", "c"), "extra 'c'$"),
        (("a", "c"), "missing 'b', extra 'c'$"),
        (("b", "a"), "the order is another$"),
        (tuple(f"c{i:02d}" for i in range(15)), r"missing 'a', 'b', extra 'c00', .*'c09' and 5 more$"),
    ],
)
def test_other_classes_than_those_there_are_refused_with_the_difference(folder, labels, sentence):
    publish(folder, "train", 1)
    with pytest.raises(LabelError, match=r"the classes differ from those of .*/data': " + sentence):
        publication.check_labels(folder, labels, ["test"])


def test_a_split_may_lack_classes_that_the_others_have_and_keeps_their_labels(folder):
    publish(folder, "train", 1)
    assert publication.check_labels(folder, ["b"], ["test"]) == ("a", "b")
    assert publication.check_labels(folder, ["b"], ["train"]) == ("b",)


def test_a_dataset_may_change_its_classes_when_all_of_it_is_replaced(folder):
    publish(folder, "train", 1)
    publication.check_labels(folder, ["x", "y"], ["train"])
    publish(folder, "train", 1, labels=("x", "y"))
    assert open_dataset(folder, "n", "train").labels == ("x", "y")


def test_labels_of_a_dataset_without_a_manifest_count_too(folder):
    labels_txt.write_labels(folder, ["a", "b"])
    with pytest.raises(LabelError, match="missing 'b', extra 'c'"):
        publication.check_labels(folder, ["a", "c"], ["test"])
    assert publication.check_labels(folder, ["a"], ["test"]) == ("a", "b")
    publication.check_labels(folder, ["a", "b"], ["test"])


def test_an_unfinished_manifest_keeps_other_splits(folder):
    write_manifest(folder, Manifest("n", ("a", "b"), {"test": SplitEntry(3, ())}))
    publish(folder, "train", 1)
    manifest = read_manifest(folder)
    assert manifest is not None
    assert sorted(manifest.splits) == ["test", "train"]
    assert manifest.splits["test"].seed == 3


def test_a_split_that_is_published_while_another_one_s_shards_move_stays_in_the_manifest(folder, monkeypatch):
    rename = storage.rename

    def rename_and_let_another_publish(url, target):
        rename(url, target)
        if "_train" in target:
            publish(folder, "test", 1)

    monkeypatch.setattr(storage, "rename", rename_and_let_another_publish)
    publish(folder, "train", 1)
    assert open_dataset(folder, "n", "train").num_records == 1
    assert open_dataset(folder, "n", "test").num_records == 1
