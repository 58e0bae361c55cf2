"""What nights leave beside their rows, and what a table refuses before the first row of a night."""

import os

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sparkcv import storage
from sparkcv.driver import score
from sparkcv.errors import BudgetError, FileExistsAlreadyError, SchemaError, UsageError
from sparkcv.records import example, tfrecord
from sparkcv.records.example import ImageExample
from tests.driver.test_score import config, day, read, write_model
from tests.predict.models import COLORS, color_graph, write_folder

pytestmark = [pytest.mark.spark, pytest.mark.tensorflow]
NAMES = list(COLORS)


def score_it(spark, tmp_path, source, model, **options):
    return score.run(spark, score.prepare(config(tmp_path, source, model, **options)))


def write_shard(folder, picture, examples):
    """Write (colour, text, label) as records, a colour of None as no picture; returns the folder."""
    folder.mkdir()
    frames = []
    for color, text, label in examples:
        encoded = picture(color) if color else b"no picture"
        frames.append(tfrecord.frame(example.encode(ImageExample(encoded, "jpeg", label, text))))
    (folder / "x.tfrecord").write_bytes(b"".join(frames))
    return folder


def night_of(tmp_path, date="2026-01-02"):
    folder = tmp_path / "out" / f"dt={date}"
    return storage.read_json(str(folder / "_report.json")), (folder / "_report.html").read_text()


def test_labelled_records_give_the_metrics_that_numpy_gives(spark, tmp_path, color_model, picture):
    random = np.random.default_rng(5)
    shown, known = random.integers(0, 3, 40), random.integers(0, 5, 40)
    known[:10] = shown[:10]
    names = [*NAMES, "wolf", ""]  # a label that the model does not have, and none
    examples = [(NAMES[at], names[true], 0) for at, true in zip(shown, known, strict=True)]
    source = write_shard(tmp_path / "in", picture, [*examples, *[(None, "red", 0)] * 3])
    report = score_it(spark, tmp_path, source, color_model)
    said, page = night_of(tmp_path)
    ours = known < 3
    matrix = np.zeros([3, 3], int)
    np.add.at(matrix, (known[ours], shown[ours]), 1)
    hits = np.diag(matrix)
    best = {row["id"]: [one["label"] for one in row["top_k"]] for row in read(tmp_path)[0]}
    among = [names[known[at]] in best[f"x.tfrecord:{at}"] for at in np.flatnonzero(ours)]
    metrics = said["metrics"]
    assert (metrics["num_examples"], said["num_unknown"]) == (ours.sum(), (known == 3).sum())
    assert metrics["accuracy"] == pytest.approx(hits.sum() / matrix.sum())
    assert metrics["recall_2"] == pytest.approx(np.mean(among))
    assert metrics["mean_recall"] == pytest.approx(np.mean(hits / matrix.sum(1)))
    pairs = [[true, guess, n] for (true, guess), n in np.ndenumerate(matrix) if n]
    assert sorted(metrics["confusion"]) == [[*pair[:2], pair[2]] for pair in pairs]
    assert [one["precision"] for one in metrics["per_class"]] == pytest.approx(list(hits / matrix.sum(0)))
    assert metrics["loss"] is None
    assert f"accuracy {metrics['accuracy']:.4f} of the {ours.sum()} whose label is known" in str(report)
    assert "Against what is known" in page
    assert "There is no night before this one" in page
    assert page.count("<img ") == 12  # 4 of each label; of what is no picture there is none
    assert report.page_url == str(day(tmp_path) / "_report.html")


def test_numbers_columns_and_folders_tell_what_pictures_show(spark, tmp_path, picture, color_model):
    shifted = tmp_path / "shifted"
    write_folder(shifted, color_graph(16), labels_offset=1)
    shard = write_shard(tmp_path / "in", picture, [(color, "", at + 1) for at, color in enumerate(NAMES)])
    tree = tmp_path / "tree"
    for name, color in (("red", "red"), ("green", "red"), ("blue", "blue")):
        (tree / name).mkdir(parents=True)
        (tree / name / "a.jpg").write_bytes(picture(color))
    (tree / "of-no-folder.jpg").write_bytes(picture("red"))
    table = tmp_path / "t.parquet"
    pictures = [picture("red"), picture("blue")]
    pq.write_table(pa.table({"id": ["1", "2"], "bytes": pictures, "kind": ["red", "2"], "n": [2, 2]}), table)
    found = []
    for number, (source, model, options) in enumerate(
        [
            (shard, shifted, {"labels_from": "records"}),
            (shard, shifted, {}),  # by default numbers do not count: they may be another data set's
            (tree, color_model, {"labels_from": "folders"}),
            (tree, color_model, {}),
            (table, color_model, {"label_column": "kind", "keep_columns": "none"}),
            (table, color_model, {"label_column": "n", "keep_columns": "none"}),
        ]
    ):
        date = f"2026-02-{number + 1:02d}"
        score_it(spark, tmp_path, source, model, date=date, report_samples=0, **options)
        metrics = night_of(tmp_path, date)[0].get("metrics")
        found.append(metrics and (metrics["num_examples"], metrics["accuracy"]))
    assert found == [(3, 1.0), None, (3, pytest.approx(2 / 3)), None, (2, 1.0), (2, 0.5)]
    for source, options, said in (
        (tree, {"labels_from": "records"}, "--labels_from records: .*/tree' is none of those, wanted TFRecord shards"),
        (shard, {"labels_from": "folders"}, "wanted a folder of pictures"),
        (table, {"label_column": "no"}, "--label_column: the input has no column 'no', it has 'kind', 'n'"),
    ):
        with pytest.raises(UsageError, match=said):
            score_it(spark, tmp_path, source, color_model, date="2026-03-01", **options)


def test_labels_are_compared_with_those_of_the_nights_before(spark, tmp_path, color_model, picture):
    dates = ("2026-01-01", "2026-01-02", "2026-01-03", "2026-01-04")
    for at, date in enumerate(dates):
        source = tmp_path / date
        source.mkdir()
        for number in range(4):
            (source / f"{number}.jpg").write_bytes(picture("red" if at in (1, 2) else "blue"))
        score_it(spark, tmp_path, source, color_model, date=date, trailing_nights=2)
    assert "drift" not in night_of(tmp_path, dates[0])[0]
    said, page = night_of(tmp_path, dates[3])
    # Four blue ones against eight red ones, half a picture more each: p = 4.5 and 0.5 of 5, q = 0.5 and 8.5 of 9.
    p, q = np.array([4.5, 0.5]) / 5, np.array([0.5, 8.5]) / 9
    wanted = {"psi": np.sum((p - q) * np.log(p / q)), "by_chance": 1 / 4 + 1 / 8, "num_nights": 2}
    assert said["drift"] == pytest.approx(wanted)
    assert f"PSI {wanted['psi']:.2f}" in said["notes"][0]
    assert f"= {wanted['psi']:.4f}, with p the share" in page
    score_it(spark, tmp_path, tmp_path / dates[3], color_model, date=dates[3], trailing_nights=0, overwrite=True)
    assert "drift" not in night_of(tmp_path, dates[3])[0], "none were asked for"


def test_a_night_that_is_not_published_leaves_a_page_until_it_is(spark, tmp_path, color_model, picture):
    source, page = tmp_path / "in", tmp_path / "out" / "_failed-2026-01-02.html"
    source.mkdir()
    for name, data in (("cut.jpg", picture("red", size=(64, 64))[:400]), ("none.jpg", b""), ("text.jpg", b"not one")):
        (source / name).write_bytes(data)
    with pytest.raises(BudgetError, match=rf"3 of 3 pictures were rejected.*; they are shown in '{page}'"):
        score_it(spark, tmp_path, source, color_model)
    text = page.read_text()
    for said in ("Not published", "3 of 3 pictures were rejected", "none.jpg", "text.jpg"):
        assert said in text
    assert os.listdir(tmp_path / "out") == [page.name]
    (source / "red.jpg").write_bytes(picture("red"))
    with pytest.raises(BudgetError, match="3 of 4 pictures"):
        score_it(spark, tmp_path, source, color_model)
    assert "<h2" in page.read_text()
    score_it(spark, tmp_path, source, color_model, bad_image_budget=0.9)
    assert not page.exists()
    text = night_of(tmp_path)[1]
    assert "By reason" in text
    assert "Not published" not in text


def write_table(path, **columns):
    """Write two rows whose pictures are none: a night that got as far as scoring them fails of that."""
    pq.write_table(pa.table({"id": ["a", "b"], "bytes": [b"no picture"] * 2, **columns}), path)
    return path


def test_columns_that_the_table_does_not_have_are_refused_before_the_first_row(spark, tmp_path, color_model, picture):
    first = write_table(tmp_path / "first.parquet", bytes=[picture("red")] * 2, n=[1, 2])
    score_it(spark, tmp_path, first, color_model, date="2026-01-01")
    path = tmp_path / "t.parquet"
    for columns, said in (
        ({"n": ["1", "2"]}, r"version 1 of the table: 'n' is long there and string now; another --output_dir"),
        ({}, r"'n' is long there; another --output_dir keeps both"),
        ({"n": [1, 2], "m": [1.0, 2.0]}, r"'m' is double now; --evolve_schema adds new columns"),
    ):
        write_table(path, **columns)
        with pytest.raises(SchemaError, match=said):
            score_it(spark, tmp_path, path, color_model, bad_image_budget=1.0)
        assert sorted(os.listdir(tmp_path / "out")) == ["_schema.json", "dt=2026-01-01"]
    write_table(path, bytes=[picture("blue")] * 2, n=[1, 2], m=[1.0, 2.0])
    score_it(spark, tmp_path, path, color_model, evolve_schema=True)
    assert night_of(tmp_path)[0]["schema_version"] == 2
    assert sorted(row["m"] for row in read(tmp_path)[0]) == [1.0, 2.0]
    again = write_table(tmp_path / "again.parquet", n=[1, 2])
    with pytest.raises(SchemaError, match="columns than version 2 of the table: 'm' is double there; another"):
        score_it(spark, tmp_path, again, color_model, date="2026-01-03", evolve_schema=True)
    assert storage.read_json(str(tmp_path / "out" / "_schema.json"))["version"] == 2


def test_another_net_and_other_labels_never_mix_with_a_day_s_rows(spark, tmp_path, color_model, picture):
    source = tmp_path / "in"
    source.mkdir()
    (source / "a.jpg").write_bytes(picture("red"))
    score_it(spark, tmp_path, source, color_model)
    digest = night_of(tmp_path)[0]["model_digest"]
    net = write_model(tmp_path / "net", weight=4.0)
    labels = write_folder(tmp_path / "labels", color_graph(16), names=("rot", "grün", "blau")).digest
    (source / "b.jpg").write_bytes(picture("blue"))
    for model, other in (("net", net), ("labels", labels)):
        with pytest.raises(
            FileExistsAlreadyError, match=f"scored by the model {digest}, this run's is {other}; --over"
        ):
            score.prepare(config(tmp_path, source, tmp_path / model))
    assert [row["label"] for row in read(tmp_path)[0]] == ["red"]
    score_it(spark, tmp_path, source, tmp_path / "labels", date="2026-01-03")
    assert night_of(tmp_path, "2026-01-03")[0]["labels"] == {"rot": 1, "blau": 1}
    assert [row["label"] for row in read(tmp_path)[0]] == ["red"]


def test_another_owner_s_folder_is_refused_before_anything_starts(tmp_path, color_model, picture):
    (tmp_path / "out" / "_delta_log").mkdir(parents=True)
    (tmp_path / "a.jpg").write_bytes(picture("red"))
    with pytest.raises(SchemaError, match="is a Delta Lake table of another program; another --output_dir keeps both"):
        score.prepare(config(tmp_path, tmp_path / "a.jpg", color_model))
    assert os.listdir(tmp_path / "out") == ["_delta_log"]
