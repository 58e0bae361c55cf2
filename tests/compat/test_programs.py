"""Programs of the shape of those that TensorFlowOnSpark publishes, on our names: each is its module, nothing changed.

``python tests/compat/programs/on_stock.py`` runs the same on tensorflowonspark itself.
"""

import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.spark, pytest.mark.tensorflow]
PROGRAMS = Path(__file__).with_name("programs")
sys.path.append(str(PROGRAMS))  # a program's module is the same here and on the executors
PACKAGE = "sparkcv.compat"


@pytest.fixture(scope="module")
def programs(spark):
    """The session's Spark, whose executors can import the programs."""
    for path in sorted(PROGRAMS.glob("*.py")):
        spark.sparkContext.addPyFile(str(path))
    return spark


def test_files_of_dfutil_train_a_residual_net_on_all_workers(programs, tmp_path):
    import files_residual

    first, last = files_residual.run(programs, PACKAGE, str(tmp_path))
    assert last < first


def test_a_u_net_is_fitted_on_all_workers_and_saved_once(programs, tmp_path):
    import segment

    first, last = segment.run(programs, PACKAGE, str(tmp_path))
    assert last < first
    assert (tmp_path / "export" / "saved_model.pb").exists()


def test_a_graph_with_a_ps_is_fed_by_spark_and_leaves_a_checkpoint(programs, tmp_path):
    import ps_digits

    assert ps_digits.run(programs, PACKAGE, str(tmp_path)) >= 30


def test_keras_is_fed_by_spark_through_the_pipeline_and_its_model_scores(programs, tmp_path):
    import feed_digits

    assert feed_digits.run(programs, PACKAGE, str(tmp_path)) > 0.5


def test_every_executor_infers_its_share(programs, tmp_path):
    import parallel

    assert parallel.run(programs, PACKAGE, str(tmp_path)) == list(range(12))
