import csv
import decimal
import itertools
import os
import pathlib
import re
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from sparkcv import storage
from sparkcv.config import ScoreConfig
from sparkcv.driver import score
from sparkcv.errors import (
    BudgetError,
    DataError,
    FileExistsAlreadyError,
    MissingFileError,
    ModelError,
    SchemaError,
    UsageError,
)
from sparkcv.records import example, tfrecord
from sparkcv.records.example import ImageExample
from tests.predict.models import COLORS, color_graph, write_folder
from tests.preprocess.jpeg_defects import cut_inside, several_frames

DATE = "2026-01-02"


def config(tmp_path, source, model, **options):
    fields = {"input": str(source), "model_dir": str(model), "output_dir": str(tmp_path / "out"), "date": DATE}
    return ScoreConfig(**(fields | {"top_k": 2, "batch_size": 4} | options))


def write_model(folder, weight):
    """Write another model of the same classes; returns its digest."""
    return write_folder(folder, color_graph(16, weight=weight)).digest


def day(tmp_path):
    return tmp_path / "out" / f"dt={DATE}"


def read(tmp_path):
    predictions = pq.read_table(day(tmp_path)).to_pylist()
    return predictions, pq.read_table(day(tmp_path) / "_rejects").to_pylist()


def nothing_left(tmp_path):
    out = tmp_path / "out"
    return not out.exists() or [name for name in os.listdir(out) if name.startswith(".")] == []


@pytest.fixture
def elastic(spark):
    """The Spark of the tests, which says that its executors come and go."""
    conf, name = spark.sparkContext._conf, "spark.dynamicAllocation.enabled"
    before = conf.get(name)
    conf.set(name, "true")
    yield spark
    conf.set(name, before)


@pytest.fixture(scope="module")
def tree(tmp_path_factory, picture, odd_pictures, bad_pictures):
    """A tree of plain, odd and bad pictures under names that need care."""
    folder = tmp_path_factory.mktemp("tree")
    for index in range(30):
        color = list(COLORS)[index % 3]
        path = folder / f"{color} ü" / f"{index:02d} #%20.jpg"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(picture(color))
    for sub, files in (("odd", odd_pictures), ("bad", {name: data for name, (data, _) in bad_pictures.items()})):
        (folder / sub).mkdir()
        for name, data in files.items():
            (folder / sub / name).write_bytes(data)
    return folder


def ids_of(tree):
    return sorted(str(path.relative_to(tree)) for path in tree.rglob("*") if path.is_file())


@pytest.mark.spark
@pytest.mark.tensorflow
def test_a_tree_of_pictures_becomes_a_day_with_every_id_once(spark, tmp_path, tree, color_model, bad_pictures):
    report = score.run(spark, score.prepare(config(tmp_path, tree, color_model)))
    predictions, rejects = read(tmp_path)
    assert sorted(row["id"] for row in predictions + rejects) == ids_of(tree)
    for row in predictions:
        if " ü/" in row["id"]:
            assert row["label"] == row["id"].split(" ")[0]
        assert row["top_k"][0] == {"label": row["label"], "score": row["score"]}
        assert len(row["top_k"]) == 2
        assert row["model_digest"] == report.model_digest
    assert {row["id"]: row["reason"].split(":")[0] for row in rejects} == {
        f"bad/{name}": reason for name, (_, reason) in bad_pictures.items()
    }
    assert (report.num_predictions, report.num_rejects) == (len(predictions), len(rejects))
    assert report.images_per_s > 0
    assert str(day(tmp_path)) in str(report)
    assert storage.read_json(str(day(tmp_path) / "_report.json"))["num_rows"] == len(ids_of(tree))
    assert sorted(os.listdir(tmp_path / "out")) == ["_schema.json", f"dt={DATE}"]
    assert {row.id for row in spark.read.parquet(f"file://{tmp_path}/out").collect()} == {r["id"] for r in predictions}


@pytest.mark.spark
@pytest.mark.tensorflow
def test_shards_without_a_manifest_are_scored_also_under_dynamic_allocation(elastic, tmp_path, color_model, picture):
    source = tmp_path / "shards"
    source.mkdir()
    wanted = {}
    for shard in range(2):
        name = f"x_test-0000{shard}-of-00002.tfrecord"
        frames = []
        for index in range(9):
            color = list(COLORS)[index % 3]
            wanted[f"{name}:{index}"] = (color, f"{color}/{index}.jpg")
            frames.append(
                tfrecord.frame(example.encode(ImageExample(picture(color), "jpeg", 0, filename=f"{color}/{index}.jpg")))
            )
        damaged = bytearray(b"".join(frames))
        damaged[len(frames[0]) + 40] ^= 1
        (source / name).write_bytes(bytes(damaged))
    report = score.run(elastic, score.prepare(config(tmp_path, source, color_model, num_partitions=5)))
    predictions, rejects = read(tmp_path)
    assert sorted(row["id"] for row in predictions + rejects) == sorted(wanted)
    assert sorted(row["id"][-2:] for row in rejects) == [":1", ":1"]
    assert report.rejects == {"damaged record": 2}
    assert {row["model_digest"] for row in rejects} == {report.model_digest}
    for row in predictions:
        assert (row["label"], row["filename"]) == wanted[row["id"]]


@pytest.mark.spark
@pytest.mark.tensorflow
@pytest.mark.parametrize("column", ["path", "bytes"])
def test_parquet_is_scored_by_path_and_by_bytes(spark, tmp_path, color_model, picture, tree, column):
    paths = [str(path) for path in sorted(tree.rglob("*ü/*.jpg"))]
    data = {"path": [*paths, None, str(tree / "gone.jpg")]}
    if column == "bytes":
        data["bytes"] = [pathlib.Path(path).read_bytes() for path in paths] + [b"", None]
    pq.write_table(pa.table(data), tmp_path / "t.parquet", row_group_size=10)
    score.run(spark, score.prepare(config(tmp_path, tmp_path / "t.parquet", color_model)))
    predictions, rejects = read(tmp_path)
    assert {row["id"]: row["label"] for row in predictions} == {
        path: pathlib.Path(path).parent.name.split(" ")[0] for path in paths
    }
    assert len(predictions) == len(paths)
    reasons = {row["id"]: row["reason"].split(":")[0] for row in rejects}
    gone = "missing" if column == "path" else "null"
    assert reasons == {"t.parquet#3:0": "null", str(tree / "gone.jpg"): gone}


@pytest.mark.spark
def test_an_id_that_is_there_twice_is_refused_before_scoring(spark, tmp_path, color_model):
    pq.write_table(pa.table({"path": ["/a", "/b", "/a"]}), tmp_path / "t.parquet")
    plan = score.prepare(config(tmp_path, tmp_path / "t.parquet", color_model))
    with pytest.raises(DataError, match="has the id '/a' 2 times, wanted each once"):
        score.run(spark, plan)
    assert not day(tmp_path).exists()
    assert nothing_left(tmp_path)


@pytest.mark.spark
@pytest.mark.tensorflow
def test_more_rejects_than_the_budget_publish_nothing(spark, tmp_path, color_model, tree):
    for budget in ({}, {"bad_image_budget": 1.0}):  # no prediction at all is no success under any budget
        plan = score.prepare(config(tmp_path, tree / "bad", color_model, **budget))
        with pytest.raises(BudgetError, match=r"32 of 32 pictures were rejected.* most frequent reasons: truncated "):
            score.run(spark, plan)
    assert not day(tmp_path).exists()
    assert nothing_left(tmp_path)


@pytest.mark.spark
@pytest.mark.tensorflow
def test_a_stage_that_fails_leaves_nothing_and_says_why(spark, tmp_path, color_model, picture):
    source = tmp_path / "shards"
    source.mkdir()
    frame = tfrecord.frame(example.encode(ImageExample(picture("red"), "jpeg", 0)))
    entry = {"records": 4, "crc32c": "0", "labels": {}, "bytes": 4 * len(frame), "name": "x_test.tfrecord"}
    splits = {"test": {"seed": 0, "shards": [entry]}}
    storage.write_json(
        str(source / "manifest.json"), {"schema": 1, "dataset_name": "x", "labels": ["a"], "splits": splits}
    )
    (source / "x_test.tfrecord").write_bytes(frame * 4)
    plan = score.prepare(config(tmp_path, source, color_model))

    class Shrinks(type(plan.files)):
        """An input whose shard is cut right after it was listed."""

        def entries(self, left_out=None):
            yield from super().entries(left_out)
            (source / "x_test.tfrecord").write_bytes(frame * 3)

    import dataclasses

    plan = dataclasses.replace(plan, files=Shrinks(**dataclasses.asdict(plan.files)))
    with pytest.raises(DataError, match=r"^'.*x_test\.tfrecord' changed since it was listed"):
        score.run(spark, plan)
    assert not day(tmp_path).exists()
    assert nothing_left(tmp_path)


@pytest.mark.spark
@pytest.mark.tensorflow
def test_a_day_is_replaced_only_when_told_and_then_whole(spark, tmp_path, color_model, tree):
    (tmp_path / "few").mkdir()
    (tmp_path / "few" / "a.jpg").write_bytes((tree / "odd" / "tail.jpg").read_bytes())
    first = config(tmp_path, tmp_path / "few", color_model)
    score.run(spark, score.prepare(first))
    before = sorted((path.name, path.stat().st_mtime_ns) for path in day(tmp_path).rglob("*"))
    said = str(score.run(spark, score.prepare(first)))
    assert re.search(r"complete already: run [0-9a-f]{24} scored all 1 rows of the input, none is new", said)
    assert sorted((path.name, path.stat().st_mtime_ns) for path in day(tmp_path).rglob("*")) == before
    other = write_model(tmp_path / "other", weight=4.0)
    with pytest.raises(
        FileExistsAlreadyError, match=rf"scored by the model [0-9a-f]{{64}}, this run's is {other}; --ov"
    ):
        score.prepare(config(tmp_path, tmp_path / "few", tmp_path / "other"))
    with pytest.raises(FileExistsAlreadyError, match=r"scored with top_k 2, this run's is 1; --overwrite replaces it"):
        score.prepare(config(tmp_path, tmp_path / "few", color_model, top_k=1))
    with pytest.raises(
        FileExistsAlreadyError, match=rf"scored with input {tmp_path}/few, this run's is {tree}/odd; --ov"
    ):
        score.prepare(config(tmp_path, tree / "odd", color_model))
    (tmp_path / "few" / "b.jpg").write_bytes(b"")
    with pytest.raises(BudgetError, match="1 of 2"):
        score.run(spark, score.prepare(config(tmp_path, tmp_path / "few", color_model, bad_image_budget=0.1)))
    assert sorted((path.name, path.stat().st_mtime_ns) for path in day(tmp_path).rglob("*")) == before
    score.run(spark, score.prepare(config(tmp_path, tmp_path / "few", color_model, overwrite=True)))
    predictions, rejects = read(tmp_path)
    assert ([row["id"] for row in predictions], [row["id"] for row in rejects]) == (["a.jpg"], ["b.jpg"])
    assert nothing_left(tmp_path)


@pytest.mark.spark
@pytest.mark.tensorflow
def test_new_pictures_of_a_day_are_scored_beside_the_old_ones(spark, tmp_path, color_model, picture):
    source = tmp_path / "in"
    source.mkdir()
    for name in ("a", "b", "c"):
        (source / f"{name}.jpg").write_bytes(picture("red"))
    (source / "bad.jpg").write_bytes(b"")
    first = score.run(spark, score.prepare(config(tmp_path, source, color_model)))
    old = {row["id"]: row for row in itertools.chain(*read(tmp_path))}
    (source / "a.jpg").unlink()
    for name in ("a2", "z"):
        (source / f"{name}.jpg").write_bytes(picture("blue"))
    (source / "worse.jpg").write_bytes(b"")
    second = score.run(spark, score.prepare(config(tmp_path, source, color_model, num_partitions=3)))
    predictions, rejects = read(tmp_path)
    colors = {"a.jpg": "red", "b.jpg": "red", "c.jpg": "red", "a2.jpg": "blue", "z.jpg": "blue"}
    assert {row["id"]: row["label"] for row in predictions} == colors
    assert sorted(row["id"] for row in rejects) == ["bad.jpg", "worse.jpg"]
    assert {row["id"]: row for row in predictions + rejects if row["id"] in old} == old
    assert {row["run_id"] for row in predictions} == {first.run["run_id"], second.run["run_id"]}
    assert (second.num_predictions, second.rejects, second.num_earlier) == (5, {"empty": 2}, 4)
    report = storage.read_json(str(day(tmp_path) / "_report.json"))
    assert (report["num_rows"], report["run_id"]) == (7, second.run["run_id"])
    assert nothing_left(tmp_path)


@pytest.mark.spark
@pytest.mark.tensorflow
def test_the_table_says_what_a_data_engineer_asks(spark, tmp_path, color_model, tree):
    (tmp_path / "in" / "_more").mkdir(parents=True)
    good = (tree / "odd" / "tail.jpg").read_bytes()
    for name in ("_DSC0001.JPG", "_MG_1234.JPG", "_more/1.jpg", "_more/2.jpg", "a.jpg", "b.jpg"):
        (tmp_path / "in" / name).write_bytes(good)
    (tmp_path / "in" / "cut.jpg").write_bytes(cut_inside(good))
    (tmp_path / "in" / "two.gif").write_bytes(several_frames("GIF"))
    (tmp_path / "in" / "c.gif.jpg").write_bytes(b"%PDF-1.4")
    (tmp_path / "in" / "d.jpg").write_bytes(b"<html>")
    (tmp_path / "in" / ".DS_Store").write_bytes(b"x")
    report = score.run(spark, score.prepare(config(tmp_path, tmp_path / "in", color_model)))
    assert (report.num_predictions, report.num_rejects) == (8, 2)
    assert report.marks == {"damaged": 1, "has_more_frames": 1}
    assert "damaged      1 predictions of JPEGs that lost pixels inside: column damaged" in str(report)
    assert sorted(report.reasons.values()) == [1, 1]
    assert "left out     1 file or folder: .DS_Store" in str(report)
    schema = {field.name: field for field in pq.ParquetDataset(day(tmp_path)).schema}
    nullable = {name for name, field in schema.items() if field.nullable}
    assert set(schema) - {"dt"} == {
        *("id", "filename", "label", "label_id", "score", "top_k", "damaged", "has_more_frames"),
        *("model_name", "model_step", "model_digest", "run_id", "scored_at"),
    }
    assert nullable - {"dt"} == {"filename", "damaged"}
    predictions, rejects = read(tmp_path)
    assert {row["id"]: (row["damaged"], row["has_more_frames"]) for row in predictions} == {
        **{row["id"]: (False, False) for row in predictions},
        "cut.jpg": (True, False),
        "two.gif": (None, True),
    }
    assert {row["filename"] for row in predictions} == {row["id"] for row in predictions}
    assert all(row["label_id"] == list(COLORS).index(row["label"]) for row in predictions)
    assert {(row["model_name"], row["model_step"]) for row in predictions} == {("colors", 7)}
    (bad,) = (row for row in rejects if row["id"] == "d.jpg")
    assert (bad["bytes"], bad["where"]) == (6, f"{tmp_path}/in/d.jpg")
    assert bad["reason"].startswith(f"{bad['reason_class']}: ")
    assert {row["model_digest"] for row in rejects} == {report.model_digest}
    said = storage.read_json(str(day(tmp_path) / "_report.json"))
    assert said["left_out"] == {"count": 1, "names": {".DS_Store": 1}}
    assert said["started"] <= said["ended"]
    assert {row["run_id"] for row in predictions} == {said["run_id"]}


@pytest.mark.spark
@pytest.mark.tensorflow
def test_a_query_a_list_and_a_partitioned_table_are_scored_with_their_other_columns(spark, tmp_path, color_model, tree):
    paths = [str(path) for path in sorted(tree.rglob("*ü/*.jpg"))[:6]]
    table = pa.table({"PATH": paths, "label": [7] * 6, "Größe m²": [decimal.Decimal("1.50")] * 6, "tags": [["x"]] * 6})
    folder = tmp_path / "t" / "country=de" / "day=2026-01-01"
    folder.mkdir(parents=True)
    pq.write_table(table, folder / "1.parquet")
    score.run(spark, score.prepare(config(tmp_path, tmp_path / "t", color_model)))
    predictions, _ = read(tmp_path)
    assert sorted(row["id"] for row in predictions) == paths
    for row in predictions:
        assert (row["input_label"], row["Größe m²"], row["tags"]) == (7, decimal.Decimal("1.50"), ["x"])
        assert (row["country"], row["day"]) == ("de", "2026-01-01")
    with open(tmp_path / "list.csv", "w", newline="") as file:
        csv.writer(file).writerows([["n", "path"], *([index, path] for index, path in enumerate(paths))])
    again = {"overwrite": True}
    with pytest.raises(SchemaError, match=r"'country' is string there, .* 'n' is string now; another --output_dir"):
        score.run(spark, score.prepare(config(tmp_path, tmp_path / "list.csv", color_model, **again)))
    assert sorted(row["id"] for row in read(tmp_path)[0]) == paths
    shutil.rmtree(tmp_path / "out")
    score.run(spark, score.prepare(config(tmp_path, tmp_path / "list.csv", color_model, **again)))
    assert sorted((row["id"], row["n"]) for row in read(tmp_path)[0]) == [
        (path, str(i)) for i, path in enumerate(paths)
    ]
    spark.createDataFrame([(path, index) for index, path in enumerate(paths)], "path string, n int").write.mode(
        "overwrite"
    ).orc(f"file://{tmp_path}/orc")
    orc = f"orc.`file://{tmp_path}/orc`"
    shutil.rmtree(tmp_path / "out")
    for given in (f"FROM {orc} SELECT path, n WHERE n < 3", f"TABLE {orc}"):
        score.run(spark, score.prepare(config(tmp_path, given, color_model, keep_columns="n", **again)))
        count = 3 if "WHERE" in given else 6
        assert sorted((row["id"], row["n"]) for row in read(tmp_path)[0]) == [(paths[i], i) for i in range(count)]
    with pytest.raises(
        MissingFileError, match=r"--input: Spark knows no table of 'no\.such', and there is no such file"
    ):
        score.run(spark, score.prepare(config(tmp_path, "no.such", color_model, **again)))
    with pytest.raises(UsageError, match="--keep_columns: the input has no column 'm' to keep, it has 'n'"):
        score.run(spark, score.prepare(config(tmp_path, tmp_path / "list.csv", color_model, keep_columns="m", **again)))
    assert nothing_left(tmp_path)


@pytest.mark.spark
@pytest.mark.tensorflow
def test_a_model_replaced_after_the_start_is_refused(spark, tmp_path, model_copy, tree):
    plan = score.prepare(config(tmp_path, tree / "odd", model_copy))
    write_folder(model_copy, color_graph(16, weight=4.0))
    with pytest.raises(ModelError, match=f"this run was pinned to {plan.manifest.digest}"):
        score.run(spark, plan)
    assert nothing_left(tmp_path)


@pytest.mark.spark
def test_a_model_with_a_changed_byte_is_refused_by_file(spark, tmp_path, model_copy, tree):
    plan = score.prepare(config(tmp_path, tree / "odd", model_copy))
    with open(model_copy / "labels.txt", "r+b") as file:
        file.write(b"9")
    with pytest.raises(ModelError, match=r"model/labels\.txt' was changed"):
        score.run(spark, plan)
    assert not day(tmp_path).exists()
    assert nothing_left(tmp_path)


@pytest.mark.parametrize(
    ("options", "kind", "said"),
    [
        ({"top_k": 4}, UsageError, "--top_k: got 4, wanted 1 to 3, the classes of the model"),
        ({"input": "/no/such/place"}, MissingFileError, "--input: nothing at '/no/such/place'"),
        ({"model_dir": "/no/such/model"}, MissingFileError, "no exported model at '/no/such/model'"),
        ({"input": "/tmp\0"}, UsageError, "NUL"),
        ({"output_dir": "memory://x"}, UsageError, "memory of this process"),
    ],
)
def test_bad_flags_are_told_before_anything_starts(tmp_path, color_model, tree, options, kind, said):
    with pytest.raises(kind, match=said):
        score.prepare(config(tmp_path, tree, color_model, **options))
    assert not (tmp_path / "out").exists()


def test_an_empty_input_and_a_folder_without_a_model_are_told(tmp_path, color_model):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="--input: no file in"):
        score.prepare(config(tmp_path, tmp_path / "empty", color_model))
    with pytest.raises(MissingFileError, match=r"holds no model\.json"):
        score.prepare(config(tmp_path, tmp_path / "empty", tmp_path / "empty"))


def test_output_inside_the_input_is_refused(tmp_path, color_model):
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(UsageError, match="output would become input"):
        score.prepare(config(tmp_path, tmp_path, color_model))


def test_the_date_is_today_unless_told(tmp_path, color_model, tree):
    assert len(score.prepare(config(tmp_path, tree, color_model, date=None)).date) == len("2026-01-02")


def test_a_frozen_graph_with_its_labels_is_told_what_is_wanted(tmp_path, tree):
    folder = tmp_path / "bare"
    folder.mkdir()
    (folder / "frozen.pb").write_bytes(b"\n\x0c\n\x05input")
    (folder / "labels.txt").write_text("0:a\n1:b\n")
    made = r"wanted a folder with model\.json .*`sparkcv export --checkpoint_path CHECKPOINT --model_dir FOLDER`"
    with pytest.raises(MissingFileError, match=rf"bare' is no exported model: it holds no model\.json; {made}"):
        score.prepare(config(tmp_path, tree, folder))
    with pytest.raises(ModelError, match=rf"frozen\.pb' is one file, and no exported model; {made}"):
        score.prepare(config(tmp_path, tree, folder / "frozen.pb"))


@pytest.mark.spark
@pytest.mark.tensorflow
def test_a_picture_that_takes_too_long_to_read_costs_itself_alone(spark, tmp_path, color_model, picture):
    (tmp_path / "in").mkdir()
    for index, color in enumerate(COLORS):
        (tmp_path / "in" / f"{index}.jpg").write_bytes(picture(color))
    Image.new("RGB", (8000, 8000), "red").save(tmp_path / "in" / "slow.jp2")  # 2.6 s of CPU time, in a few bytes
    plan = score.prepare(config(tmp_path, tmp_path / "in", color_model, picture_cpu_s=0.7, num_partitions=1))
    report = score.run(spark, plan)
    predictions, (reject,) = read(tmp_path)
    assert {row["id"]: row["label"] for row in predictions} == {f"{i}.jpg": color for i, color in enumerate(COLORS)}
    assert (reject["id"], reject["reason"]) == ("slow.jp2", "too slow: reading it takes more than 0.7 s of CPU time")
    assert len(report.events) == 1, report.events  # the worker that died of it
