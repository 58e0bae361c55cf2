"""Shards that other tools wrote: compressed, under other names, with other features."""

import gzip
import os
import zlib

import pytest

from sparkcv.errors import FullError, RecordError, ShardError
from sparkcv.records import compression, example, tfrecord
from sparkcv.records.example import FeatureNames
from sparkcv.records.features import Value, encode_features
from sparkcv.records.labels import read_labels, write_labels
from sparkcv.records.mapped import mapped
from sparkcv.records.shards import Dataset, open_dataset

PAYLOADS = [example.encode(example.ImageExample(b"picture %d" % index * 40, "jpeg", index % 2)) for index in range(9)]
SHARD = b"".join(map(tfrecord.frame, PAYLOADS))


@pytest.mark.parametrize(
    "names",
    [
        ["rgb-train.tfrecord-00000-of-00001"],
        ["rgb-train.tfrecord-00000-of-00002", "rgb-train.tfrecord-00001-of-00002"],
        ["train.tfrecord-00000-of-00001"],
        ["rgb_train.record-00000-of-00001"],
        ["rgb_train.record"],
        ["rgb_train-00000-of-00001.tfrecords"],
        ["rgb_train.tfrecord.gz"],
        ["train-00000-of-00001.gz"],
        ["train/part-r-00000", "train/part-r-00001"],
        ["train/part-00000", "train/part-00001"],
        ["train/part-00000-6e1f1d8c-4a8e-4d0b-9f0e-0f1a2b3c4d5e-c000.tfrecord.gz"],
    ],
)
def test_names_of_other_tools_are_known(tmp_path, names):
    write_labels(str(tmp_path), ["a", "b"])
    (tmp_path / "train").mkdir()
    (tmp_path / "train/_SUCCESS").write_bytes(b"")
    for name in names:
        (tmp_path / name).write_bytes(SHARD)
    dataset = open_dataset(str(tmp_path), "rgb", "train")
    assert [shard.url for shard in dataset.shards] == [str(tmp_path / name) for name in names]
    assert dataset.num_records == 9 * len(names)


def test_a_missing_part_is_named(tmp_path):
    write_labels(str(tmp_path), ["a", "b"])
    (tmp_path / "train").mkdir()
    for index in (0, 2):
        (tmp_path / f"train/part-r-{index:05d}").write_bytes(SHARD)
    with pytest.raises(ShardError, match=r"holds 2 shards of part, wanted 3: 1 missing, first number 00001"):
        open_dataset(str(tmp_path), "rgb", "train")


UUID = "6e1f1d8c-4a8e-4d0b-9f0e-0f1a2b3c4d5e"


def test_parts_of_sparks_data_sources_have_gaps_and_several_files_a_number(tmp_path):
    write_labels(str(tmp_path), ["a", "b"])
    (tmp_path / "train").mkdir()
    names = [f"part-{part}.tfrecord" for part in (f"00000-{UUID}-c000", f"00003-{UUID}-c000", f"00003-{UUID}-c001")]
    names.append(f"part-00003-{UUID[::-1]}-c000.tfrecord")  # appended later
    for name in names:
        (tmp_path / "train" / name).write_bytes(SHARD)
    dataset = open_dataset(str(tmp_path), "rgb", "train")
    assert sorted(shard.url for shard in dataset.shards) == sorted(str(tmp_path / "train" / name) for name in names)


def test_a_compressed_part_of_an_empty_partition_is_no_sample_of_the_others(tmp_path):
    write_labels(str(tmp_path), ["a", "b"])
    (tmp_path / "train").mkdir()
    for index, data in enumerate((b"", SHARD)):
        (tmp_path / f"train/part-r-{index:05d}.gz").write_bytes(gzip.compress(data))
    assert open_dataset(str(tmp_path), "rgb", "train").num_records > 0
    (tmp_path / "train/part-r-00001.gz").write_bytes(gzip.compress(b""))
    with pytest.raises(ShardError, match=r"the split 'train' of 'rgb' in .* has no records"):
        open_dataset(str(tmp_path), "rgb", "train")


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (("part-r-00000", "part-00000"), r"holds 2 shards of part, wanted 1"),
        ((f"part-00000-{UUID}", f"part-00000-{UUID}.gz"), rf"holds 'part-00000-{UUID}' and the same with '.gz'"),
        (
            ("part-r-00000", f"part-00000-{UUID}-c000"),
            r"parts of two writings, such as 'part-r-00000' and 'part-00000-6",
        ),
    ],
)
def test_parts_of_two_writings_are_refused(tmp_path, names, sentence):
    write_labels(str(tmp_path), ["a", "b"])
    (tmp_path / "train").mkdir()
    for name in names:
        (tmp_path / "train" / name).write_bytes(SHARD)
    with pytest.raises(ShardError, match=sentence):
        open_dataset(str(tmp_path), "rgb", "train")


def test_one_file_beside_its_packed_form_is_refused_for_its_records_would_come_twice(tmp_path):
    write_labels(str(tmp_path), ["a", "b"])
    (tmp_path / "rgb-train.tfrecord").write_bytes(SHARD)
    (tmp_path / "rgb-train.tfrecord.gz").write_bytes(gzip.compress(SHARD))
    with pytest.raises(ShardError, match=r"holds 'rgb-train.tfrecord' and 'rgb-train.tfrecord.gz' for rgb_train, want"):
        open_dataset(str(tmp_path), "rgb", "train")


def test_part_files_that_name_no_split_are_read_as_none(tmp_path):
    write_labels(str(tmp_path), ["a", "b"])
    (tmp_path / "part-r-00000").write_bytes(SHARD)
    with pytest.raises(ShardError, match=r"it has 'labels.txt', 'part-r-00000'; part files name no split"):
        open_dataset(str(tmp_path), "rgb", "train")


def test_what_is_there_is_named_where_nothing_fits(tmp_path):
    write_labels(str(tmp_path), ["a", "b"])
    (tmp_path / "data.bin").write_bytes(SHARD)
    with pytest.raises(ShardError, match=r"no shards rgb_train-\*.tfrecord in .*: it has 'data.bin', 'labels.txt'$"):
        open_dataset(str(tmp_path), "rgb", "train")


def test_labels_of_tensorflow_datasets_are_one_name_a_line(tmp_path):
    (tmp_path / "label.labels.txt").write_text("daisy\ntulip\n")
    assert read_labels(str(tmp_path)) == ("daisy", "tulip")
    write_labels(str(tmp_path), ["a"])
    assert read_labels(str(tmp_path)) == ("a",)


def foreign(tmp_path, *features):
    write_labels(str(tmp_path), ["cat", "dog"])
    data = b"".join(tfrecord.frame(encode_features(one)) for one in features)
    (tmp_path / "n-train.tfrecord-00000-of-00001").write_bytes(data)
    return str(tmp_path)


def test_features_of_other_names_are_read_once_they_are_named(tmp_path):
    folder = foreign(tmp_path, {"image": b"x", "label": 1, "file_name": b"a.jpg"})
    with pytest.raises(
        ShardError,
        match=r"no image/encoded, they have file_name \(bytes\), image \(bytes\), label \(int\); name it by --image_f",
    ):
        open_dataset(folder, "n", "train")
    with pytest.raises(ShardError, match=r"have no image/class/label, they have .*; name it by --label_feature"):
        open_dataset(folder, "n", "train", FeatureNames("image"))
    dataset = open_dataset(folder, "n", "train", FeatureNames("image", "label"))
    assert dataset.features == FeatureNames("image", "label")
    assert Dataset.from_dict(dataset.to_dict()) == dataset


def test_labels_of_text_are_those_of_labels_txt(tmp_path):
    folder = foreign(tmp_path, {"image": b"x", "label": b"dog"}, {"image": b"x", "label": b"cow"})
    names = open_dataset(folder, "n", "train", FeatureNames("image", "label")).features
    assert names.texts == ("cat", "dog")
    first, second = tfrecord.read_records((tmp_path / "n-train.tfrecord-00000-of-00001").read_bytes(), "s")
    assert example.decode(first.payload, names=names).label == 1
    with pytest.raises(RecordError, match=r"label is 'cow', none of the 2 classes"):
        example.decode(second.payload, names=names)


def test_several_labels_of_one_picture_are_told(tmp_path):
    several = {"image/encoded": b"x", "image/object/class/label": Value(int, [1, 2])}
    folder = foreign(tmp_path, several)
    names = open_dataset(folder, "n", "train", FeatureNames(label="image/object/class/label")).features
    (record,) = tfrecord.read_records((tmp_path / "n-train.tfrecord-00000-of-00001").read_bytes(), "s")
    with pytest.raises(RecordError, match=r"image/object/class/label has 2 values, wanted 1"):
        example.decode(record.payload, names=names)


COMPRESSED = {
    "gzip": gzip.compress(SHARD),
    "zlib": zlib.compress(SHARD),
    "two members": gzip.compress(SHARD[:100]) + gzip.compress(SHARD[100:]),
    "padded": gzip.compress(SHARD) + bytes(20),
}


@pytest.mark.parametrize("how", COMPRESSED)
def test_compression_is_told_by_the_content(tmp_path, how):
    write_labels(str(tmp_path), ["a", "b"])
    path = tmp_path / "n_train.tfrecord"
    path.write_bytes(COMPRESSED[how])
    assert open_dataset(str(tmp_path), "n", "train").num_records in range(1, 10)
    with mapped(str(path)) as (data, is_whole):
        assert is_whole
        assert [bytes(record.payload) for record in tfrecord.read_records(data, "s")] == PAYLOADS
    assert compression.expand(str(path), "s") == (len(SHARD), True)
    assert path.read_bytes() == SHARD


def test_a_shard_that_is_not_compressed_stays_as_it_is(tmp_path):
    path = tmp_path / "s"
    for data in (SHARD, b"", b"x", b"\x78\x9c" + bytes(30), b"\x1f\x8b\x08" + bytes(30)):
        path.write_bytes(data)
        if not compression.is_compressed(data[:12]):
            assert compression.expand(str(path), "s") == (len(data), True)
            assert path.read_bytes() == data
    assert not compression.is_compressed(tfrecord.frame(b"x" * 0x1F)[:12])


@pytest.mark.parametrize("zeros", [1, 1 << 20, (2 << 20) + 1])
@pytest.mark.parametrize("times", [1, 2])
def test_zeros_behind_a_stream_are_no_damage_however_many(tmp_path, zeros, times):
    path = tmp_path / "s"
    path.write_bytes((gzip.compress(SHARD) + bytes(zeros)) * times)
    assert compression.expand(str(path), "s") == (len(SHARD) * times, True)


@pytest.mark.parametrize("cut", [1, 8, 9, 200])
def test_a_stream_that_is_cut_gives_what_comes_before_and_says_so(tmp_path, cut):
    data = gzip.compress(SHARD)
    path = tmp_path / "s"
    path.write_bytes(data[:-cut])
    num_bytes, is_whole = compression.expand(str(path), "s")
    assert not is_whole
    assert path.read_bytes() == SHARD[:num_bytes]
    if cut <= 8:  # its trailer alone: TensorFlow takes that for a whole one
        assert num_bytes == len(SHARD)


def test_a_bomb_is_refused(tmp_path):
    path = tmp_path / "s"
    path.write_bytes(gzip.compress(bytes(80 << 20)))
    with pytest.raises(ShardError, match=r"'the shard' has \d+ bytes, and more than 67108864 once it is expanded"):
        compression.expand(str(path), "the shard")
    assert [each.name for each in tmp_path.iterdir()] == ["s"]


def test_a_disk_without_room_for_the_content_is_told_and_nothing_is_left(tmp_path):
    path = tmp_path / "s"
    path.write_bytes(COMPRESSED["gzip"])
    os.symlink("/dev/full", f"{path}.expanded")
    with pytest.raises(FullError, match=r"^cannot expand '.*/s': No space left on device$"):
        compression.expand(str(path), "the shard")
    assert [each.name for each in tmp_path.iterdir()] == ["s"]
    assert path.read_bytes() == COMPRESSED["gzip"]
