"""A DataFrame or table as shards on a real Spark: written once, used again while equal, refused without a trace."""

import collections
import dataclasses
import functools
import json
import logging
import os
import tempfile

import pytest
from pyspark.sql import functions as F

from sparkcv import storage
from sparkcv.config import ConvertConfig, TrainConfig
from sparkcv.convert import PictureColumns, TableConversion, from_dataframe
from sparkcv.driver import convert, train_table
from sparkcv.errors import (
    BudgetError,
    DataError,
    FileExistsAlreadyError,
    LabelError,
    LeaseError,
    MissingFileError,
    ShardError,
    UsageError,
)
from sparkcv.records import example, tfrecord
from sparkcv.records.manifest import read_manifest
from sparkcv.records.shards import open_dataset
from sparkcv.rundir import lease
from tests.inputs import data

pytestmark = pytest.mark.spark

SCHEMA = "image binary, label string, path string"
# Another order, another byte or another hash would be another dataset.
PINNED = ["e68b7e6b", "fd68ba83"]


@functools.cache
def rows():
    """9 pictures of 'ant', 5 of 'bee', sorted by class."""
    return [(data.picture(label, at), name, f"{name}/{at}.jpg")
            for label, (name, num) in enumerate((("ant", 9), ("bee", 5))) for at in range(num)]  # fmt: skip


def read(folder, split="train"):
    return [
        example.decode(record.payload)
        for shard in open_dataset(str(folder), "pictures", split).shards
        for record in tfrecord.read_records(storage.read_bytes(shard.url), shard.url)
    ]


@pytest.fixture
def settings(tmp_path):
    return TableConversion(str(tmp_path / "data"), num_shards=2)


@pytest.fixture(scope="module")
def table(spark, tmp_path_factory):
    """The rows as Parquet."""
    url = str(tmp_path_factory.mktemp("table") / "pictures")
    spark.createDataFrame(rows(), SCHEMA).repartition(3).write.parquet(url)
    return url


def test_rows_become_the_shards_that_conversion_writes_by_the_executors(spark, settings, tmp_path, caplog):
    (tmp_path / "entered").mkdir()
    frame = spark.createDataFrame(rows(), SCHEMA).repartition(3)
    named = dataclasses.replace(settings, columns=PictureColumns(name="path"))
    entered = functools.partial(tempfile.mkdtemp, dir=str(tmp_path / "entered"))
    with caplog.at_level(logging.INFO, "sparkcv"):
        report = from_dataframe(frame, named, enter=entered)
    assert len(os.listdir(tmp_path / "entered")) == 2  # two shards were written
    assert "2 classes: ant, bee" in caplog.text
    assert storage.read_text(str(tmp_path / "data/labels.txt")) == "0:ant\n1:bee\n"
    found = {each.filename: each for each in read(settings.dataset_dir)}
    assert {name: (each.encoded, each.text) for name, each in found.items()} == {
        name: (image, label) for image, label, name in rows()
    }
    assert {(each.label, each.text, each.format, each.height) for each in found.values()} == {
        (0, "ant", "jpeg", 32), (1, "bee", "jpeg", 32),
    }  # fmt: skip
    assert (report.num_records, report.num_rejected, report.labels) == (14, 0, ("ant", "bee"))
    manifest = read_manifest(settings.dataset_dir)
    assert [shard.records for shard in manifest.splits["train"].shards] == [7, 7]
    assert all(shard.labels.keys() == {"0", "1"} for shard in manifest.splits["train"].shards)  # not sorted by class
    said = manifest.splits["train"].pictures
    assert said["source"] == "the DataFrame"
    assert len(said["rows"]) == 64
    assert [entry.name for entry in storage.list_dir(settings.dataset_dir) if entry.is_dir] == []


def test_shards_depend_on_rows_and_settings_alone(spark, table, settings, tmp_path):
    from_dataframe(spark.read.parquet(table), settings)
    assert [shard.crc32c for shard in read_manifest(settings.dataset_dir).splits["train"].shards] == PINNED
    other = dataclasses.replace(settings, dataset_dir=str(tmp_path / "other"))
    from_dataframe(spark.read.parquet(table).orderBy("path").coalesce(1), other)
    assert read_manifest(other.dataset_dir).splits == read_manifest(settings.dataset_dir).splits


def test_equal_rows_are_used_again_and_others_written_anew_and_both_is_said(spark, table, settings, caplog):
    frame = spark.read.parquet(table)

    def converted(frame, settings):
        caplog.clear()
        with caplog.at_level(logging.INFO, "sparkcv"):
            report = from_dataframe(frame, settings)
        shards = [entry for entry in storage.list_dir(settings.dataset_dir) if entry.name.endswith(".tfrecord")]
        inodes = sorted(os.stat(entry.url).st_ino for entry in shards)
        return report, inodes, caplog.text

    first, inodes, said = converted(frame, settings)
    assert "writing 14 rows" in said
    again, same, said = converted(frame.repartition(5), settings)
    assert (again, same) == (first, inodes)
    assert "has not changed: its shards in" in said
    changed = frame.withColumn("label", F.when(F.col("path") == "ant/0.jpg", "bee").otherwise(F.col("label")))
    report, new, said = converted(changed, settings)
    assert not set(new) & set(inodes)
    assert "has changed: the shards of 14 records in" in said
    twice, other = frame.union(frame.where("path = 'ant/0.jpg'")), dataclasses.replace(settings, seed=3)
    report, _, said = converted(twice, other)
    assert (report.num_records, "or how it is written, has changed" in said) == (15, True)
    os.unlink(storage.join(settings.dataset_dir, "pictures_train-00001-of-00002.tfrecord"))
    report, _, said = converted(twice, other)
    assert "are not whole and are written anew" in said
    assert (report.num_records, len(read(settings.dataset_dir))) == (15, 15)


def test_whole_numbers_are_their_own_classes_and_gaps_are_told(spark, settings, caplog):
    numbers = [(data.picture(at % 3, at), at % 11) for at in range(22)]
    from_dataframe(spark.createDataFrame(numbers, "image binary, label short"), settings)
    assert read_manifest(settings.dataset_dir).labels == tuple(map(str, range(11)))  # 10 behind 9, not behind 1
    assert {(each.label, each.text) for each in read(settings.dataset_dir)} == {(at, str(at)) for at in range(11)}
    gaps = [(image, 5 + 90 * label) for image, label in numbers]
    from_dataframe(spark.createDataFrame(gaps, "image binary, label long"), settings)
    assert read_manifest(settings.dataset_dir).labels[:3] == ("5", "95", "185")
    assert "holds 11 numbers from 5 to 905: they become the classes 0 to 10, named by them" in caplog.text
    below = spark.createDataFrame([(numbers[0][0], -1), (numbers[1][0], 1)], "image binary, label int")
    with pytest.raises(DataError, match="the column 'label' of the DataFrame holds -1, wanted labels from 0 on"):
        from_dataframe(below, settings)


def test_a_validation_split_has_its_share_of_every_class_and_no_picture_of_train(spark, settings):
    frame = spark.createDataFrame([*rows(), *rows()[:4]], SCHEMA)  # four of 'ant' twice
    from_dataframe(frame, dataclasses.replace(settings, validation_fraction=0.2, num_shards=1))
    train, validation = read(settings.dataset_dir), read(settings.dataset_dir, "validation")
    counts = collections.Counter(each.text for each in validation)
    assert (counts["ant"] in (3, 4), counts["bee"]) == (True, 1)  # 3, and one more if it is there twice
    assert len(train) + len(validation) == 18
    assert not {each.encoded for each in train} & {each.encoded for each in validation}


def test_bad_pictures_and_rows_without_label_are_listed_with_the_reason_within_the_budget(spark, settings, tmp_path):
    bad = [(b"", "ant", "empty.jpg"), (None, "ant", "null.jpg"), (b"%PDF-1.4", "bee", "x.pdf")]
    bad.append((rows()[0][0], None, "no label.jpg"))
    frame = spark.createDataFrame([*rows(), *bad], SCHEMA)
    named = dataclasses.replace(settings, columns=PictureColumns(name="path"))
    with pytest.raises(BudgetError, match=r"4 of 18 pictures are unusable \(.*\), --bad_image_budget allows .* 0.2"):
        from_dataframe(frame, dataclasses.replace(named, bad_image_budget=0.2))
    assert not (tmp_path / "data").exists()
    report = from_dataframe(frame, named)
    assert (report.num_records, report.num_rejected) == (14, 4)
    lines = storage.read_text(str(tmp_path / "data/quarantine/pictures_train.jsonl")).splitlines()
    assert {json.loads(line)["path"]: json.loads(line)["reason"] for line in lines} == {
        "empty.jpg": "empty: 0 bytes",
        "null.jpg": "null: column 'image' is null",
        "x.pdf": "format not read: PDF",
        "no label.jpg": "no label: column 'label' is None",
    }
    assert from_dataframe(frame, named) == report  # also when nothing is written
    with pytest.raises(BudgetError, match="--tight allows a share of 0"):
        from_dataframe(frame, dataclasses.replace(named, bad_image_budget=0.0, budget_flag="--tight"))


@pytest.mark.parametrize(
    ("change", "error", "sentence"),
    [
        (
            {"columns": PictureColumns("picture")},
            DataError,
            "no column 'picture', it has image, label",
        ),
        (
            {"columns": PictureColumns("path")},
            DataError,
            "column 'path' is string, wanted binary: the bytes of a picture",
        ),
        ({"columns": PictureColumns(label="image")}, DataError, "'image' is binary, wanted a string or a whole number"),
        ({"columns": PictureColumns(name="id")}, DataError, "has no column 'id'"),
        (
            {"validation_fraction": 0.5, "dataset_name": "few"},
            DataError,
            "has too few pictures for a split 'validation'",
        ),
    ],
)
def test_columns_and_rows_that_cannot_be_are_told_and_leave_nothing(spark, settings, tmp_path, change, error, sentence):
    some = [rows()[0], rows()[9]] if "validation_fraction" in change else rows()
    with pytest.raises(error, match=sentence):
        from_dataframe(spark.createDataFrame(some, SCHEMA), dataclasses.replace(settings, **change))
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("some", "error", "sentence"),
    [
        ([], DataError, "the DataFrame has no rows, wanted pictures"),
        ([(b"x", None, "x")], DataError, "is null in all 1 rows, wanted labels"),
        ([(b"x", "a\nb", "x"), (b"x", "c", "y")], LabelError, r"got the class name 'a\\nb'"),
        ([(b"x", "a", "x")], DataError, "has the one class 'a', wanted at least two"),
        ([(b"x", "a", "x"), (b"y", "b", "y")], DataError, "has no usable picture for the split 'train'"),
    ],
)
def test_rows_that_cannot_be_a_dataset_leave_nothing(spark, settings, tmp_path, some, error, sentence):
    with pytest.raises(error, match=sentence):
        from_dataframe(spark.createDataFrame(some, SCHEMA), settings)
    assert not (tmp_path / "data").exists()


def test_rows_that_differ_from_one_reading_to_the_next_are_refused(spark, settings, tmp_path):
    noise = F.udf(lambda: os.urandom(8), "binary").asNondeterministic()
    drawn = spark.createDataFrame(rows(), SCHEMA).withColumn("image", F.concat("image", noise()))
    with pytest.raises(ShardError, match="gave other rows when it was read again"):
        from_dataframe(drawn, settings)
    assert not (tmp_path / "data").exists()


def config(tmp_path, **flags):
    return ConvertConfig(dataset_dir=str(tmp_path / "data"), num_shards=2, **flags)


def test_the_job_converts_a_table_and_a_query_and_replaces_only_with_overwrite(spark, table, tmp_path):
    spark.read.parquet(table).createOrReplaceTempView("pictures_of_ants")
    flags = config(tmp_path, dataset_table="pictures_of_ants", name_column="path")
    report = convert.run(spark, convert.prepare(flags))
    assert (report.num_records, report.labels) == (14, ("ant", "bee"))
    said = read_manifest(str(tmp_path / "data")).splits["train"].pictures
    assert said["source"] == "the table pictures_of_ants"
    assert convert.run(spark, convert.prepare(flags)) == report
    query = f"SELECT image AS picture, path AS name, upper(label) AS kind FROM parquet.`{table}`"  # noqa: S608
    flags = config(tmp_path, dataset_query=query, image_column="picture", label_column="kind", resize_short_side=16)
    with pytest.raises(FileExistsAlreadyError, match="of other rows or settings than the query 'SELECT image"):
        convert.run(spark, convert.prepare(flags))
    report = convert.run(spark, convert.prepare(dataclasses.replace(flags, overwrite=True)))
    assert report.labels == ("ANT", "BEE")
    assert {(each.height, each.width, len(each.filename)) for each in read(tmp_path / "data")} == {(16, 16, 16)}


@pytest.mark.parametrize(
    ("flags", "error", "sentence"),
    [
        ({"dataset_table": "db.none"}, MissingFileError, "the table db.none: .*TABLE_OR_VIEW_NOT_FOUND"),
        ({"dataset_query": "SELECT"}, DataError, "the query 'SELECT' "),
        ({"dataset_query": "SELEC x"}, DataError, "the query 'SELEC x' is not readable as SQL"),
        ({"dataset_query": "SELECT * FROM parquet.`/none`"}, MissingFileError, "/none"),
    ],
)
def test_a_table_that_is_not_there_is_told_in_one_sentence(spark, tmp_path, flags, error, sentence):
    with pytest.raises(error, match=sentence) as caught:
        convert.run(spark, convert.prepare(config(tmp_path, **flags)))
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        ({"dataset_table": "a", "dataset_query": "b"}, "got both --dataset_table and --dataset_query"),
        ({"dataset_table": "a", "images_dir": "b"}, "got --images_dir and --dataset_table, wanted one of them"),
        ({"dataset_query": "a", "gnt_dir": "b"}, "got --gnt_dir and --dataset_query, wanted one of them"),
        ({"images_dir": "b", "image_column": "c"}, "--image_column c: it names a column of a table"),
        ({}, "got none of --images_dir, --labels_csv, --gnt_dir, --dataset_table and --dataset_query, wanted one"),
        ({"gnt_dir": "b", "resize_short_side": 64}, "--resize_short_side 64 with --gnt_dir: it is of picture files"),
    ],
)
def test_flags_of_tables_that_cannot_go_together_are_refused(tmp_path, flags, sentence):
    with pytest.raises(UsageError, match=sentence):
        config(tmp_path, **flags)


# ---- training


def flags(tmp_path, table, **more):
    query = f"SELECT * FROM parquet.`{table}`"  # noqa: S608
    return TrainConfig(**{
        "dataset_query": query, "train_dir": str(tmp_path / "run"), "dataset_name": "pictures", "model_name": "lenet",
        "max_number_of_steps": 2, "batch_size": 4, "cluster_size": 1, "validation_fraction": 0.2, **more,
    })  # fmt: skip


def test_training_writes_the_table_into_the_runs_folder_and_goes_on_from_there(spark, table, tmp_path, caplog):
    job = train_table.prepare(flags(tmp_path, table))
    assert job.session().num_executors == 1
    with caplog.at_level(logging.INFO, "sparkcv"):
        report = train_table.run(spark, job)
    assert report.step == 2
    folder = str(tmp_path / "run/dataset")
    assert len(read(folder)) + len(read(folder, "validation")) == 14
    told = storage.read_json(str(tmp_path / "run/run.json"))
    assert (told["config"]["dataset_dir"], told["config"]["dataset_query"]) == (folder, None)
    assert told["dataset_digest"] == open_dataset(folder, "pictures", "train").digest
    caplog.clear()
    with caplog.at_level(logging.INFO, "sparkcv"):
        assert train_table.run(spark, train_table.prepare(flags(tmp_path, table))).step == 2
    assert "has not changed: its shards in" in caplog.text


def test_training_refuses_a_folder_that_is_held_before_it_writes_there(table, tmp_path):
    with lease.held(str(tmp_path / "run")), pytest.raises(LeaseError, match="is held by"):
        train_table.prepare(flags(tmp_path, table))
    assert not (tmp_path / "run/dataset").exists()


def test_what_training_starts_from_and_where_its_model_goes_is_looked_at_before_the_table(table, tmp_path):
    with pytest.raises(MissingFileError, match=r"no checkpoint '.*/no/model\.ckpt-1'"):
        train_table.prepare(flags(tmp_path, table, checkpoint_path=str(tmp_path / "no/model.ckpt-1")))
    (tmp_path / "model").mkdir()
    (tmp_path / "model/dear.txt").touch()
    with pytest.raises(FileExistsAlreadyError, match="is no model of this run"):
        train_table.prepare(flags(tmp_path, table, export_dir=str(tmp_path / "model")))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"dataset_dir": "d"}, "--dataset_dir d with a table: got both"),
        ({"dataset_query": None, "dataset_dir": "d"}, "--validation_fraction 0.2: it splits a table"),
        ({"dataset_query": None, "label_column": "kind"}, "--label_column kind: it names a column of a table"),
        ({"model_name": "lenett"}, "lenett"),
        (
            {"num_evaluators": 1, "cluster_size": 2, "validation_fraction": None},
            "--eval_split_name validation: the shards of the table are of the split 'train'; wanted that, or --valid",
        ),
        ({"num_evaluators": 1, "cluster_size": 2, "eval_split_name": "test"}, "of the split 'train' and 'validation'"),
        ({"dataset_split_name": "all"}, "--dataset_split_name all: the shards of the table .*; wanted one of them"),
        ({"checkpoint_exclude_scopes": "logits"}, "--checkpoint_exclude_scopes logits without --checkpoint_path"),
    ],
)
def test_flags_that_cannot_go_together_in_training_are_refused_before_spark(table, tmp_path, change, sentence):
    with pytest.raises(UsageError, match=sentence):
        train_table.prepare(flags(tmp_path, table, **change))
