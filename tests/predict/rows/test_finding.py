import os

import pytest

from sparkcv.errors import DataError, MissingFileError, UsageError
from sparkcv.predict.rows import find_input


def make(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return str(folder)


def names(files):
    return [files.name(entry) for entry in files.entries()]


@pytest.mark.parametrize(
    ("found", "kind"),
    [
        (("a/1.jpg", "b/2.PNG"), "pictures"),
        (("a/1", "b/notes.txt"), "pictures"),
        (("x-00000-of-00001.tfrecord", "labels.txt", "manifest.json"), "records"),
        (("train-00000-of-00001",), "records"),
        (("x.tfrecords",), "records"),
        (("rgb-train.tfrecord-00000-of-00001", "label.labels.txt"), "records"),
        (("part-r-00000", "part-r-00001", "_SUCCESS"), "records"),
        (("x_train.record", "x.tfrecord.gz"), "records"),
        (("a/1.gif", "a/2.webp", "@eaDir/a/1.gif/thumb"), "pictures"),
        (("part-0.parquet", "_SUCCESS"), "table"),
    ],
)
def test_a_folder_tells_its_kind_by_names(tmp_path, found, kind):
    assert find_input(make(tmp_path, *found)).kind == kind


def test_names_are_relative_and_keep_spaces_and_other_alphabets(tmp_path):
    given = ["a b/ö 1.jpg", "#1?.png", "日本/%20.jpg", "new\nline.jpg", "*.jpg"]
    assert sorted(names(find_input(make(tmp_path, *given)))) == sorted(given)


def test_a_name_that_is_no_utf8_is_escaped(tmp_path):
    with open(os.path.join(os.fsencode(tmp_path), b"\xff.jpg"), "wb"):
        pass
    assert names(find_input(str(tmp_path))) == ["\\xff.jpg"]


def test_hidden_files_and_folders_are_no_input(tmp_path):
    files = find_input(make(tmp_path, "a.jpg", ".b.jpg", "_c.jpg", "_d/e.jpg", ".f/g.jpg", "h/.i.jpg"))
    assert names(files) == ["a.jpg"]


def test_what_is_neither_shard_nor_parquet_is_no_input_beside_them(tmp_path):
    shards = make(tmp_path / "s", "x-00000-of-00001.tfrecord", "labels.txt", "quarantine/x.jsonl")
    assert names(find_input(shards)) == ["x-00000-of-00001.tfrecord"]
    table = make(tmp_path / "t", "d/1.parquet", "readme")
    assert names(find_input(table)) == ["d/1.parquet"]


def test_one_file_or_a_pattern_is_an_input_too(tmp_path):
    folder = make(tmp_path, "f_test-00000-of-00002.tfrecord", "f_test-00001-of-00002.tfrecord", "f_train.tfrecord")
    assert names(find_input(folder + "/f_train.tfrecord")) == ["f_train.tfrecord"]
    assert names(find_input(folder + "/f_test-*")) == [f"f_test-0000{i}-of-00002.tfrecord" for i in range(2)]


def test_a_name_with_a_star_is_itself_first(tmp_path):
    assert names(find_input(make(tmp_path, "*.jpg", "b.jpg") + "/*.jpg")) == ["*.jpg"]


def test_a_mixture_is_refused(tmp_path):
    with pytest.raises(UsageError, match="holds Parquet and pictures; name the folder"):
        find_input(make(tmp_path, "a.jpg", "b.parquet"))
    with pytest.raises(UsageError, match="holds Parquet and TFRecord shards"):
        find_input(make(tmp_path / "x", "a.tfrecord", "b.parquet"))


def test_nothing_there_and_nothing_in_it_are_told_apart(tmp_path):
    with pytest.raises(MissingFileError, match=r"--input: nothing at .*wanted pictures"):
        find_input(str(tmp_path / "none"))
    with pytest.raises(DataError, match="--input: no file in"):
        find_input(str(tmp_path))
    with pytest.raises(DataError, match="--input: no file in"):
        find_input(str(tmp_path / "x-*"))
