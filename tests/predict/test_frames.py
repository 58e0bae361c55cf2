"""Scores as a column of one's own frame, in a batch and in Structured Streaming's foreachBatch."""

import pytest

from sparkcv import predict
from sparkcv.errors import MissingFileError, UsageError

pytestmark = pytest.mark.spark


@pytest.fixture
def rows(picture, tmp_path):
    (tmp_path / "red.jpg").write_bytes(picture("red"))
    return [(1, "a", picture("blue")), (2, None, b"no picture"), (3, "c", None)]


def test_a_frame_keeps_its_columns_and_gets_an_answer_a_row(spark, color_model, rows, tmp_path):
    frame = spark.createDataFrame(rows, "n int, text string, picture binary")
    scored = predict.transform(frame, color_model, input_col="picture", output_col="said", top_k=2)
    assert scored.columns == ["n", "text", "picture", "said"]
    one, two, three = (row.said for row in scored.orderBy("n").collect())
    assert (one.label, one.label_id, one.reason, len(one.top_k)) == ("blue", 2, None, 2)
    assert (two.label, two.score, two.top_k) == (None, None, None)
    assert two.reason
    assert three.reason == "missing: the column is null"
    paths = spark.createDataFrame([(str(tmp_path / "red.jpg"),), (str(tmp_path / "none.jpg"),)], "path string")
    red, none = (row.prediction for row in predict.transform(paths, color_model, top_k=1).collect())
    assert red.label == "red"
    assert none.reason == "missing: the file is not there"


def test_a_stream_is_scored_batch_by_batch(spark, color_model, picture, tmp_path):
    spark.createDataFrame([(picture("green"),)], "picture binary").write.parquet(str(tmp_path / "in"))
    labels = []

    def keep(frame, number):
        labels.extend(
            row.said.label
            for row in predict.transform(frame, color_model, input_col="picture", output_col="said", top_k=1).collect()
        )

    stream = spark.readStream.schema("picture binary").parquet(str(tmp_path / "in"))
    query = stream.writeStream.foreachBatch(keep).trigger(availableNow=True)
    query.option("checkpointLocation", str(tmp_path / "checkpoint")).start().awaitTermination(120)
    assert labels == ["green"]


def test_what_cannot_be_scored_is_refused_before_a_task_runs(spark, color_model, tmp_path):
    frame = spark.createDataFrame([(1,)], "n int")
    with pytest.raises(UsageError, match="input_col: 'n' is int, wanted a column of bytes or paths"):
        predict.transform(frame, color_model, input_col="n")
    with pytest.raises(UsageError, match="'path' is no such column"):
        predict.transform(frame, color_model)
    paths = spark.createDataFrame([("x",)], "path string")
    with pytest.raises(MissingFileError):
        predict.transform(paths, str(tmp_path / "none"))
    with pytest.raises(UsageError, match="--top_k: got 4"):
        predict.transform(paths, color_model, top_k=4)
