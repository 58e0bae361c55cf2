"""The fit of statistics as a job: on real executors, and refused before Spark starts."""

import numpy as np
import pytest

from jobs import fit_statistics
from sparkcv.config import StatisticsConfig
from sparkcv.driver import statistics
from sparkcv.records.statistics import Statistics
from tests.inputs import data


@pytest.fixture
def folder(tmp_path):
    data.write_dataset(tmp_path / "data", data.drawn_shards(2, 6, 8))
    return tmp_path / "data"


@pytest.mark.spark
@pytest.mark.tensorflow
def test_two_workers_fit_a_whitening_beside_the_shards(spark, folder):
    asked = StatisticsConfig(
        dataset_dir=str(folder),
        dataset_name="shapes",
        model_name="lenet",
        image_size=8,
        whitening="pca",
        cluster_size=2,
    )
    before = {path.name for path in folder.iterdir()}
    report = statistics.run(spark, statistics.prepare(asked))
    assert {path.name for path in folder.iterdir()} - before == {"shapes_train_statistics_lenet_8.npz"}
    found = Statistics.read(report.url)
    assert (found.of.num_records, found.whitening, report.num_rejected) == (12, "pca", 0)
    assert found.matrix.shape == (192, 192)
    assert ((found.mean > 0.05) & (found.mean < 0.95)).all()
    assert np.isfinite(found.deviation).all()
    for words in ("12 pictures of shapes/train", "pca, epsilon 0.01", "lenet at 8 pixels", found.digest):
        assert words in str(report)


def test_what_cannot_be_fitted_is_refused_in_one_sentence(folder, capsys):
    given = ["--dataset_dir", str(folder), "--dataset_name", "shapes", "--model_name", "lenet"]
    for more, code, told in (
        (["--whitening", "zca", "--image_size", "40"], 2, "40 x 40 x 3, 4800 values"),
        (["--whitening", "ica"], 2, "ica"),
        (["--epsilon", "0.1"], 2, "--epsilon 0.1 without --whitening: it has no effect"),
        (["--epsilon", "0"], 2, "--epsilon: got 0.0, wanted more than 0"),
        (["--dataset_split_name", "test"], 1, "no shards shapes_test"),
    ):
        assert fit_statistics.main([*given, *more]) == code
        assert told in capsys.readouterr().err
