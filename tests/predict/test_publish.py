import datetime

import pyarrow.parquet as pq
import pytest

from sparkcv.errors import BudgetError, DataError, UsageError
from sparkcv.predict import publish
from sparkcv.predict.publish import DayCounts
from sparkcv.predict.schema import SCORED, ddl
from sparkcv.predict.staging import Staging


def ids(spark, *names):
    return spark.createDataFrame([(name,) for name in names], "id string")


def rejects(spark, *rows):
    return spark.createDataFrame(list(rows), "id string, filename string, reason string")


def test_urls_are_spelled_for_spark():
    assert publish.hadoop_url("/a b") == "file:///a b"
    assert publish.hadoop_url("hdfs://nn/a") == "hdfs://nn/a"
    assert publish.hadoop_url("/a*[b]{c}?\\", reading=True) == r"file:///a\*\[b\]\{c\}\?\\"
    with pytest.raises(UsageError, match="memory of this process"):
        publish.hadoop_url("memory://x")


@pytest.mark.spark
def test_every_id_once_as_a_prediction_or_a_reject_is_what_is_wanted(spark):
    given = rejects(spark, ("b", None, "empty: 0 bytes"), ("c", None, "empty: 0 bytes"), ("d", "f", "too large: 1x1"))
    counts = publish.reconcile(ids(spark, "a", "b", "c", "d"), ids(spark, "a"), given)
    assert counts == DayCounts(1, {"empty": 2, "too large": 1}, {"empty: # bytes": 2, "too large: #x#": 1})


@pytest.mark.spark
def test_marks_are_counted_and_a_day_may_be_all_rejects(spark):
    marked = spark.createDataFrame(
        [("a", True, False), ("b", None, True), ("c", True, True)],
        "id string, damaged boolean, has_more_frames boolean",
    )
    counts = publish.reconcile(ids(spark, "a", "b", "c"), marked, rejects(spark))
    assert counts == DayCounts(3, {}, {}, {"damaged": 2, "has_more_frames": 2})
    counts = publish.reconcile(ids(spark, "a"), marked.limit(0), rejects(spark, ("a", None, "empty: 0 bytes")))
    assert counts == DayCounts(0, {"empty": 1}, {"empty: # bytes": 1}, {"damaged": 0, "has_more_frames": 0})
    assert publish.reconcile(ids(spark), ids(spark), rejects(spark)) == DayCounts(0, {}, {})


@pytest.mark.spark
@pytest.mark.parametrize(
    ("wanted", "predicted", "rejected", "said"),
    [
        (["a", "b"], ["a"], [], "id 'b' is there 0 times, it was given 1 times"),
        (["a"], ["a", "b"], [], "id 'b' is there 1 times, it was given 0 times"),
        (["a"], ["a", "a"], [], "id 'a' is there 2 times, it was given 1 times"),
        (["a"], ["a"], ["a"], "id 'a' is there 2 times, it was given 1 times"),
        (["a", "a"], ["a", "a"], [], "id 'a' is there 2 times, it was given 2 times"),
    ],
)
def test_a_missing_unknown_or_doubled_id_is_found(spark, wanted, predicted, rejected, said):
    with pytest.raises(DataError, match=said):
        publish.reconcile(
            ids(spark, *wanted), ids(spark, *predicted), rejects(spark, *((name, None, "r") for name in rejected))
        )


@pytest.mark.spark
def test_predictions_and_rejects_are_written_apart_in_a_folder_of_any_name(spark, tmp_path):
    out = str(tmp_path / "out [1] {x} * ü ?")
    now = datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)
    rows = [
        ("a", None, "cat", 3, 0.5, [("cat", 0.5)], True, False, "d", now, None, 9, None),
        ("b", "f", None, None, None, None, None, None, "d", now, "empty: 0 bytes", 0, "/f"),
    ]
    model = {"model_name": "m", "model_step": 7, "run_id": "r"}
    with Staging(out, "2026-01-02", overwrite=False) as staging:
        frame = spark.createDataFrame(rows, ddl(SCORED))
        predictions, refused = publish.split_scored(spark, staging, frame, 2, kept=(), model=model)
        assert [row.id for row in predictions.collect()] == ["a"]
        assert [row.id for row in refused.collect()] == ["b"]
        staging.publish(publish.PREDICTIONS)
    day = f"{out}/dt=2026-01-02"
    table = pq.read_table(day)
    assert table.column_names[:6] == ["id", "filename", "label", "label_id", "score", "top_k"]
    assert table.column_names[6:8] == ["damaged", "has_more_frames"]
    assert table.to_pylist()[0]["damaged"] is True
    assert table.column_names[8:13] == ["model_name", "model_step", "model_digest", "run_id", "scored_at"]
    assert table.to_pylist()[0]["top_k"] == [{"label": "cat", "score": 0.5}]
    assert pq.read_table(f"{day}/_rejects").to_pylist() == [
        {"id": "b", "filename": "f", "reason_class": "empty", "reason": "empty: 0 bytes", "bytes": 0, "where": "/f"}
        | {"model_digest": "d", "run_id": "r", "scored_at": now}
    ]
    # Neither Spark nor Arrow takes the rejects for predictions when the folder of all days is read.
    assert [row.id for row in spark.read.parquet(publish.hadoop_url(out, reading=True)).collect()] == ["a"]


@pytest.mark.spark
@pytest.mark.parametrize(
    "half", [("cat", None, None), (None, 3, None), (None, None, None), ("cat", 3, "empty: 0 bytes")]
)
def test_a_row_that_is_neither_a_prediction_nor_a_reject_is_refused_beside_a_whole_one_too(spark, tmp_path, half):
    label, label_id, reason = half
    score, top_k = (0.5, [("cat", 0.5)]) if label_id else (None, None)
    now = datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)
    rows = [
        ("a", None, label, label_id, score, top_k, None, False, "d", now, reason, 9, None),
        ("a", None, "cat", 3, 0.5, [("cat", 0.5)], None, False, "d", now, None, 9, None),
    ]
    model = {"model_name": "m", "model_step": 7, "run_id": "r"}
    with Staging(str(tmp_path), "2026-01-02", overwrite=False) as staging:
        frame = spark.createDataFrame(rows, ddl(SCORED))
        with pytest.raises(DataError, match="the row 'a' came back neither as a prediction nor as a reject; nothing"):
            publish.split_scored(spark, staging, frame, 2, kept=(), model=model)


def test_a_budget_is_a_share_of_all_rows():
    publish.check_budget(100, {"empty": 10}, 0.1)
    publish.check_budget(5, {"empty": 4}, 1.0)
    with pytest.raises(BudgetError, match="5 of 5 pictures were rejected, which no budget allows; the most frequent"):
        publish.check_budget(5, {"empty": 5}, 1.0)
    publish.check_budget(5, {}, 0.0)
    with pytest.raises(BudgetError, match=r"11 of 100 .* 10; the most frequent reasons: empty 9, too large 2; no"):
        publish.check_budget(100, {"empty": 9, "too large": 2}, 0.1)
