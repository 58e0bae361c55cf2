"""The conversion of pictures with captions through the job's door: shards of both forms, rejects, and refusals."""

import json
import shutil

import pytest

from jobs import convert_captions as job
from sparkcv import scenes, storage
from sparkcv.caption.vocabulary import read_vocabulary
from sparkcv.records import captioned, tfrecord
from sparkcv.records.manifest import read_manifest
from sparkcv.records.shards import open_dataset


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Twelve scenes with two captions each, and faults: a missing picture, one that is none, an empty caption."""
    folder = tmp_path_factory.mktemp("scenes")
    scenes.write_scenes(folder, 12, 1, size=32)
    (folder / "broken.jpg").write_bytes(b"no picture")
    with (folder / "captions.csv").open("a") as file:
        file.write("missing.jpg,a dog\nbroken.jpg,a cat\nseen-00003.png,\n")
    (folder / "other.txt").write_text("hund 9\n<S> 9\n</S> 9\n")
    (folder / "same.csv").write_text("path,caption\nseen-00000.png,a dog\nseen-00001.png,a dog\n")
    return folder


def run(*words, **flags):
    return job.main([*words, *(f"--{name}={value}" for name, value in flags.items())])


def read(folder, split):
    return [
        captioned.decode(record.payload)
        for shard in open_dataset(str(folder), "captions", split).shards
        for record in tfrecord.read_records(storage.read_bytes(shard.url), shard.url)
    ]


def files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.spark
def test_scenes_become_shards_with_a_vocabulary_and_a_second_split_keeps_it(spark, drawn, tmp_path, capsys):
    flags = {"captions_file": drawn / "captions.csv", "dataset_dir": tmp_path / "data", "num_shards": 2}
    assert run(**flags, validation_fraction=0.25) == 0
    said = capsys.readouterr().out
    words = read_vocabulary(str(tmp_path / "data/word_counts.txt"))
    assert said.startswith(f"captions: {len(words)} words, 1.9 captions a picture in ")
    assert "empty caption 1" in said
    train, validation = (read(tmp_path / "data", split) for split in ("train", "validation"))
    whole = {picture.filename: picture for picture in train + validation}
    assert len(whole) == len(train) + len(validation) == 12
    for name, picture in whole.items():
        assert picture.encoded == (drawn / name).read_bytes()
        told = {scenes.read_caption(" ".join(text[1:-1])) for text in picture.words}
        assert len(told) == 2
        assert None not in told
        assert [words.encode(text[1:-1]) for text in picture.words] == list(picture.ids)
    listed = [
        json.loads(line) for path in (tmp_path / "data/quarantine").iterdir() for line in path.read_text().splitlines()
    ]
    reasons = {line["path"]: line["reason"] for line in listed}
    assert len(listed) == 3
    assert reasons["missing.jpg"] == "missing: line 26 of the captions names it, and it is not there"
    assert reasons["seen-00003.png"] == "empty caption: number 2 has no word"
    assert "format not read" in reasons["broken.jpg"]
    said = read_manifest(str(tmp_path / "data")).splits["train"].pictures
    assert said["longest_caption"] == str(max(len(ids) for picture in whole.values() for ids in picture.ids))
    assert open_dataset(str(tmp_path / "data"), "captions", "train").labels == words.words
    # Equal flags write equal files; a split that comes later has the same ids for the same words.
    assert run(**{**flags, "dataset_dir": tmp_path / "again"}, validation_fraction=0.25) == 0
    assert files(tmp_path / "again") == files(tmp_path / "data")
    assert run(**flags, dataset_split_name="test") == 0
    assert read_vocabulary(str(tmp_path / "data/word_counts.txt")) == words
    # im2txt's form: a record for each caption.
    assert run("--record_per_caption", **{**flags, "dataset_dir": tmp_path / "each"}) == 0
    each = read(tmp_path / "each", "train")
    assert len(each) == 24
    assert {len(picture.ids) for picture in each} == {1}


@pytest.mark.spark
def test_a_budget_that_is_exceeded_and_pictures_that_are_all_missing_leave_nothing(spark, drawn, tmp_path, capsys):
    flags = {"captions_file": drawn / "captions.csv", "dataset_dir": tmp_path / "data"}
    assert run(**flags, bad_image_budget=0.1) == 1
    assert "3 of 15 pictures are unusable" in capsys.readouterr().err
    assert run(**flags, images_dir=tmp_path) == 1
    assert "has no usable picture for the split 'train': missing 14, empty caption 1" in capsys.readouterr().err
    assert not (tmp_path / "data").exists()


@pytest.mark.spark
def test_captions_come_from_a_query_as_from_a_file(spark, drawn, tmp_path, capsys):
    lines = (drawn / "captions.csv").read_text().splitlines()[1:25]
    rows = ", ".join("('{}', '{}')".format(*line.split(",")) for line in lines)
    flags = {"dataset_dir": tmp_path / "data", "num_shards": 1, "images_dir": drawn}
    query = f"VALUES {rows} AS t(path, caption)"
    assert run(**flags, dataset_query=query) == 0
    (tmp_path / "same.csv").write_text("\n".join(["path,caption", *sorted(lines)]) + "\n")
    assert run(**{**flags, "dataset_dir": tmp_path / "same"}, captions_file=tmp_path / "same.csv") == 0
    assert read(tmp_path / "data", "train") == read(tmp_path / "same", "train")
    # Columns are named as in Spark: in upper case or not, a field of a struct, with a dot in its name.
    told = spark.sql(query).selectExpr("named_struct('path', path) AS File", "caption AS `a.text`")
    told.createOrReplaceTempView("told_captions")
    of_table = {"dataset_table": "told_captions", "path_column": "file.path"}
    assert run(**{**flags, "dataset_dir": tmp_path / "fields"}, **of_table, caption_column="`a.text`") == 0
    assert read(tmp_path / "fields", "train") == read(tmp_path / "same", "train")
    assert run(**{**flags, "dataset_dir": tmp_path / "no"}, **of_table, caption_column="a.text") == 1
    assert "write its name as `a.text`, as it has a dot" in capsys.readouterr().err
    capsys.readouterr()
    for wrong, sentence in (
        ("SELECT 1 AS path, 'a dog' AS caption", "has the path 1, wanted one"),
        ("SELECT 'a.jpg' AS path, 2 AS caption", "'a.jpg'"),
        ("SELECT 'a.jpg' AS file, 'a dog' AS caption", "--path_column: the query"),
        ("SELECT path, caption FROM no_such_table", "no_such_table"),
        (
            "SELECT 'a.jpg' AS path, 'a dog' AS caption, 'a' AS Caption",
            "has the column 'caption' 2 times, wanted it once",
        ),
        ("SELECT 'a.jpg' AS path, 'a dog' AS caption WHERE 1 = 0", "has no row, wanted paths and captions"),
    ):
        assert run(**{**flags, "dataset_dir": tmp_path / "no"}, dataset_query=wrong) == 1
        assert sentence in capsys.readouterr().err.strip().splitlines()[-1]
    assert not (tmp_path / "no").exists()


@pytest.mark.parametrize(
    ("flags", "code", "sentence"),
    [
        ({"captions_file": None}, 2, "got none, wanted one of --captions_file, --dataset_table, --dataset_query"),
        ({"dataset_table": "a.b"}, 2, "got --captions_file and --dataset_table, wanted one of"),
        ({"captions_file": None, "dataset_table": "a.b"}, 2, "--images_dir is missing: wanted the folder of"),
        ({"dataset_dir": None}, 2, "--dataset_dir is missing"),
        ({"max_words": 0}, 2, "--max_words: got 0, wanted"),
        ({"captions_file": "/no/captions.json"}, 1, "/no/captions.json"),
        ({"images_dir": "/no/pictures"}, 1, "/no/pictures"),
        ({"vocabulary": "/no/word_counts.txt"}, 1, "/no/word_counts.txt"),
        ({"captions_file": "{drawn}/seen-00000.png"}, 1, "line 1 is not UTF-8: byte 0x89"),
        (
            {"captions_file": "{drawn}/same.csv"},
            1,
            "all 2 pictures have one caption, 'a dog'; wanted captions that tell",
        ),
        ({"min_word_count": 1000}, 1, "no word of 26 captions occurs 1000 times or more"),
        ({"vocabulary": "{drawn}/captions.csv"}, 1, "line 1 is 'path,caption', wanted a word and its count"),
        ({"vocabulary": "{drawn}/other.txt"}, 1, "the vocabulary of 4 words has no word of 26 captions, the first of"),
        ({"vocabulary": ""}, 2, "--vocabulary: got nothing, wanted a file word_counts.txt"),
        ({"vectors": ""}, 2, "--vectors: got nothing, wanted a file of vectors"),
        ({"vocabulary": "x", "min_word_count": 2}, 2, "--min_word_count 2 with --vocabulary"),
        ({"dataset_name": "a/b"}, 2, "--dataset_name: got 'a/b'"),
        ({"dataset_split_name": "test", "validation_fraction": 0.5}, 2, "test with --validation_fraction: got both"),
        ({"caption_column": "text"}, 2, "--caption_column text with --captions_file: it is of a table"),
    ],
)
def test_what_cannot_work_is_one_sentence_before_spark_starts(drawn, tmp_path, flags, code, sentence, capsys):
    whole = {"captions_file": drawn / "captions.csv", "dataset_dir": tmp_path / "data"} | flags
    given = {name: str(value).format(drawn=drawn) for name, value in whole.items() if value is not None}
    assert run(**given) == code
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("convert_captions.py: ")
    assert sentence in line
    assert not (tmp_path / "data").exists()


@pytest.mark.spark
def test_a_split_with_another_vocabulary_is_refused(spark, drawn, tmp_path, capsys):
    flags = {"captions_file": drawn / "captions.csv", "dataset_dir": tmp_path / "data", "num_shards": 1}
    assert run(**flags) == 0
    shutil.copy(tmp_path / "data/word_counts.txt", tmp_path / "other.txt")
    with (tmp_path / "other.txt").open("a") as file:
        file.write("zebra 4\n")
    before = files(tmp_path / "data")
    capsys.readouterr()
    assert run(**flags, dataset_split_name="test", vocabulary=tmp_path / "other.txt") == 1
    assert "wanted the same vocabulary, or another --dataset_dir" in capsys.readouterr().err
    assert run(**flags) == 1
    assert "has a split 'train' of 'captions' already" in capsys.readouterr().err
    assert files(tmp_path / "data") == before
