"""The scoring job by each engine and precision, on a real small net: its rows are the Predictor's."""

import os
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sparkcv.config import ScoreConfig
from sparkcv.driver import score
from sparkcv.errors import ModelError, UsageError
from sparkcv.predict import NetSpec, Predictor, tasks
from sparkcv.spark.python_daemon import imported_first
from sparkcv.spark.stages import map_pieces
from tests.predict.models import write_folder
from tests.predict.real_net import drawn

DATE = "2026-01-02"
COUNT = 40


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    for index, picture in enumerate(drawn(COUNT)):
        (folder / f"{index:03}.jpg").write_bytes(picture)
    (folder / "bad.jpg").write_bytes(b"no picture at all")
    return folder


def run(spark, tree, model, out, **flags):
    fields = {"input": str(tree), "model_dir": str(model), "output_dir": str(out), "date": DATE, "top_k": 4}
    return score.run(spark, score.prepare(ScoreConfig(**(fields | {"num_partitions": 3, "batch_size": 8} | flags))))


def rows_of(out):
    table = pq.read_table(out / f"dt={DATE}")
    return table.schema, sorted(table.to_pylist(), key=lambda row: row["id"])


def modules_of_workers(spark, name):
    """Return whether the workers of a stage that are forked with module ``name`` hold a model, and have TensorFlow."""

    def look(_):
        found = {"has_model": [bool(tasks._loaded)], "has_tensorflow": ["tensorflow" in sys.modules]}
        yield pa.RecordBatch.from_pydict(found)

    with imported_first(spark, name):
        return map_pieces(spark, 3, look, "has_model boolean, has_tensorflow boolean").collect()


@pytest.mark.spark
@pytest.mark.tensorflow
@pytest.mark.parametrize("engine", ["tf", "openvino"])
def test_each_engine_gives_the_predictors_rows_and_features(spark, tree, real_model, tmp_path, engine):
    report = run(spark, tree, real_model, tmp_path / "out", engine=engine, features="fc3")
    assert (report.num_predictions, report.num_rejects) == (COUNT, 1)
    assert report.engine == {"name": engine, "precision": "fp32", "why": "asked for"}
    assert f"engine       {engine} in fp32: asked for" in str(report)
    schema, rows = rows_of(tmp_path / "out")
    assert schema.field("features").type.value_type == pa.float32()
    with Predictor(real_model, NetSpec(engine, features="fc3")) as predictor:
        answers = predictor.predict([tree / row["id"] for row in rows], 4)
    assert len({answer.label for answer in answers}) > 1
    for row, answer in zip(rows, answers, strict=True):
        assert row["label"] == answer.label
        got = {one["label"]: one["score"] for one in row["top_k"]}
        assert got == pytest.approx(dict(answer.top_k), abs=1e-5)
        np.testing.assert_allclose(row["features"], answer.features, atol=1e-5)
    if engine == "openvino":
        held = modules_of_workers(spark, "sparkcv.predict.engines.openvino")
        assert any(has_model for has_model, _ in held)
        assert not any(has_tensorflow for _, has_tensorflow in held)


@pytest.mark.spark
@pytest.mark.tensorflow
@pytest.mark.parametrize(("engine", "precision"), [("tf", "bf16"), ("openvino", "auto"), ("auto", "int8")])
def test_less_than_float32_scores_where_it_was_measured_to_agree(spark, tree, real_model, tmp_path, engine, precision):
    report = run(spark, tree, real_model, tmp_path / "out", engine=engine, precision=precision, calibrate=16)
    wanted = "bf16" if precision == "auto" else precision
    assert report.engine["precision"] == wanted
    measured = report.engine["agreement"]
    assert measured["precision"] == wanted
    assert measured["num_agreeing"] == measured["num_pictures"] == 16
    assert f"in {wanted} has the best class of fp32 on" in str(report)
    assert report.num_predictions == COUNT
    with Predictor(real_model, "openvino") as predictor:
        answers = predictor.predict([tree / row["id"] for row in rows_of(tmp_path / "out")[1]], 1)
    same = [row["label"] == answer.label for row, answer in zip(rows_of(tmp_path / "out")[1], answers, strict=True)]
    assert np.mean(same) >= 0.95
    assert sorted(os.listdir(tmp_path / "out")) == ["_schema.json", f"dt={DATE}"]


def outlier_graph(size):
    """A net that int8 cannot tell: three small values beside one so large that a step of its range is above them."""
    import tensorflow.compat.v1 as tf

    with tf.Graph().as_default() as graph:
        images = tf.placeholder(tf.float32, [None, size, size, 3], name="input")
        spread = np.zeros((1, 1, 3, 4), np.float32)
        spread[0, 0, :, :3] = np.eye(3)
        spread[0, 0, :, 3] = 1e5
        back = np.zeros((1, 1, 4, 3), np.float32)
        back[0, 0, :3] = np.eye(3)
        maps = tf.nn.relu(tf.nn.conv2d(images, spread, 1, "VALID"))
        maps = tf.nn.conv2d(maps, back, 1, "VALID")
        tf.nn.softmax(tf.reduce_mean(maps, [1, 2]), name="probabilities")
        return graph.as_graph_def().SerializeToString()


@pytest.mark.spark
@pytest.mark.tensorflow
def test_an_int8_net_that_disagrees_is_refused_and_nothing_is_published(spark, tree, tmp_path):
    inputs = {"pictures": {"jpeg_arithmetic": "accurate"}}
    write_folder(tmp_path / "model", outlier_graph(16), inputs=inputs)
    said = r"openvino in int8 has the best class of fp32 on \d+ of 16 pictures, [\d.]+ %, wanted 99 %; it is not used"
    with pytest.raises(ModelError, match=said):
        run(spark, tree, tmp_path / "model", tmp_path / "out", precision="int8", calibrate=16, top_k=2)
    assert not (tmp_path / "out" / f"dt={DATE}").exists()


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"engine": "onnx"}, "--engine: got 'onnx'; wanted one of auto, openvino, tf"),
        ({"engine": "openvin"}, "did you mean"),
        ({"precision": "fp16"}, "--precision: got 'fp16'"),
        ({"engine": "tf", "precision": "int8"}, "int8 is computed by OpenVINO only, got engine tf"),
        (
            {"features": "fc33"},
            "--features: lenet has no end point 'fc33', did you mean 'fc3'",
        ),
        ({"features": "zzz"}, "--features: lenet has no end point 'zzz'; wanted one of Flatten, "),
        ({"calibrate": 0}, "--calibrate: got 0, wanted at least 1"),
    ],
)
def test_what_cannot_run_is_told_before_anything_starts(tree, real_model, tmp_path, flags, said):
    with pytest.raises(UsageError) as caught:
        run(None, tree, real_model, tmp_path / "out", **flags)
    assert said in str(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    ("missing", "flags", "said"),
    [
        (
            "openvino",
            {"engine": "openvino"},
            "engine: openvino is not installed here, wanted its extra: pip install 'sparkcv[openvino]'",
        ),
        (
            "openvino",
            {"precision": "int8"},
            "which is not installed here, wanted its extra: pip install 'sparkcv[openvino]'",
        ),
        (
            "nncf",
            {"precision": "int8"},
            "nncf, which is not installed here, wanted its extra: pip install 'sparkcv[int8]'",
        ),
    ],
)
def test_what_is_not_installed_names_its_extra(tree, real_model, tmp_path, monkeypatch, missing, flags, said):
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: None if name == missing else find(name, *more))
    with pytest.raises(UsageError) as caught:
        run(None, tree, real_model, tmp_path / "out", **flags)
    assert (said in str(caught.value), caught.value.exit_code) == (True, 2)
