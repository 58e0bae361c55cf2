"""Programs of the shape of those that TensorFlowOnSpark publishes, on our names: each is its module, nothing changed.

``python tests/compat/programs/on_stock.py`` runs the same on tensorflowonspark itself.
"""

import pytest

pytestmark = [pytest.mark.spark, pytest.mark.tensorflow]
PACKAGE = "sparkcv.compat"


def test_files_of_dfutil_train_a_residual_net_on_all_workers(compat_spark, tmp_path):
    import files_residual

    first, last = files_residual.run(compat_spark, PACKAGE, str(tmp_path))
    assert last < first


def test_a_u_net_is_fitted_on_all_workers_and_saved_once(compat_spark, tmp_path):
    import segment

    first, last = segment.run(compat_spark, PACKAGE, str(tmp_path))
    assert last < first
    assert (tmp_path / "export" / "saved_model.pb").exists()


def test_a_graph_with_a_ps_is_fed_by_spark_and_leaves_a_checkpoint(compat_spark, tmp_path):
    import ps_digits

    assert ps_digits.run(compat_spark, PACKAGE, str(tmp_path)) >= 30


def test_keras_is_fed_by_spark_through_the_pipeline_and_its_model_scores(compat_spark, tmp_path):
    import feed_digits

    assert feed_digits.run(compat_spark, PACKAGE, str(tmp_path)) > 0.5


def test_every_executor_infers_its_share(compat_spark, tmp_path):
    import parallel

    assert parallel.run(compat_spark, PACKAGE, str(tmp_path)) == list(range(12))
