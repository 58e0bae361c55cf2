"""Real programs with TensorFlow 2 and Keras 3 on real executors: what people have, unchanged."""

import keras_programs as programs
import pytest

from sparkcv.compat import TFCluster
from sparkcv.compat.pipeline import Namespace, TFEstimator, TFModel
from sparkcv.errors import ModelError, RoleFailedError, UsageError

pytestmark = [pytest.mark.spark, pytest.mark.tensorflow]
MAPPING = {"a_column": "x", "b_column": "y"}


def test_an_estimator_trains_and_its_model_transforms(sc, compat_spark, tmp_path):
    rows = [(float(at % 10) / 10, 2 * float(at % 10) / 10 + 1, b"x") for at in range(2000)]
    data = compat_spark.createDataFrame(rows, ["a_column", "b_column", "dropped"]).repartition(4)
    estimator = TFEstimator(programs.fit_fed_rows, {"export_dir": "the parameter's counts, as in stock"})
    estimator.setInputMapping(MAPPING).setExportDir(str(tmp_path / "model")).setClusterSize(2).setEpochs(6)
    model = estimator.fit(data)
    assert isinstance(model, TFModel)
    model.setInputMapping({"a_column": "keras_tensor"}).setOutputMapping({"output_0": "prediction"})
    model.setExportDir(str(tmp_path / "model"))
    few = compat_spark.createDataFrame(rows[:5], data.schema)
    found = model.transform(few)
    assert found.schema.simpleString() == "struct<prediction:array<double>>"
    for row, wanted in zip(found.collect(), few.collect(), strict=True):
        assert row.prediction[0] == pytest.approx(wanted.b_column, abs=0.3)
    assert model.transform(few.limit(0)).collect() == []
    model.setOutputMapping({"other": "prediction"})
    with pytest.raises(Exception, match="gives output_0, but no 'other'") as caught:
        model.transform(data)
    assert ModelError.__name__ in str(caught.value)


def test_workers_that_reduce_together_are_started_again_together(sc, tmp_path):
    args = {"folder": str(tmp_path), "dies": True}
    TFCluster.run(sc, programs.mirror, args, 2, 0, master_node="chief").shutdown()
    assert (tmp_path / "killed").exists()
    assert {path.read_text() for path in tmp_path.glob("total-*")} == {"10.0"}


def test_a_parameter_server_strategy_ends_with_its_chief_though_its_workers_join_for_ever(sc, tmp_path):
    TFCluster.run(sc, programs.serve_and_coordinate, {"folder": str(tmp_path)}, 3, 1, master_node="chief").shutdown()
    assert (tmp_path / "total").read_text() == "10.0"


def test_an_estimator_that_fails_ends_its_cluster_and_says_why(sc, compat_spark, tmp_path):
    data = compat_spark.createDataFrame([(1.0,)], ["a_column"])
    estimator = TFEstimator(programs.fit_fed_rows, {}).setInputMapping(MAPPING)
    with pytest.raises(Exception, match="b_column"):
        estimator.fit(data)
    estimator.setInputMapping({"a_column": "z"})
    with pytest.raises(RoleFailedError, match="raised KeyError: 'x'"):
        estimator.fit(data)


def test_arguments_and_parameters_are_one_namespace():
    estimator = TFEstimator(programs.mirror, Namespace({"lr": 0.1, "batch_size": 5}))
    assert estimator.setBatchSize(7).setEpochs(3) is estimator
    merged = estimator.merge_args_params()
    assert (merged.lr, merged.batch_size, merged.epochs, merged.master_node) == (0.1, 7, 3, "chief")
    assert (estimator.args.batch_size, estimator.getBatchSize(), estimator.getGraceSecs()) == (5, 7, 30)
    assert list(Namespace(["a", "b"])) == ["a", "b"]
    assert "lr" in Namespace({"lr": 1})
    assert Namespace({"a": 1}) == Namespace(Namespace({"a": 1}))
    assert repr(Namespace({"b": 2, "a": "x"})) == "Namespace(a='x', b=2)"
    with pytest.raises(UsageError, match="not a int"):
        Namespace(3)
    with pytest.raises(UsageError, match=r"must be InputMode\.SPARK"):
        estimator.setInputMode(TFCluster.InputMode.TENSORFLOW)
    with pytest.raises(UsageError, match="export_fn is of TensorFlow 1"):
        TFEstimator(programs.mirror, {}, export_fn=print)
    with pytest.raises(UsageError, match="needs export_dir"):
        TFModel({}).transform(None)
    with pytest.raises(UsageError, match=r"fit\(\) needs input_mapping"):
        estimator.fit(None)
