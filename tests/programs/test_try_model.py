"""A published model is only one if it scores: a process of its own fetches it by digest and tries."""

import pytest

from sparkcv.errors import MissingFileError, ModelError
from sparkcv.roles import NodeContext, Role
from tests.predict.models import color_graph, write_folder

pytestmark = pytest.mark.tensorflow


@pytest.fixture
def score(tmp_path):
    """Runs the program as its node process would."""
    from sparkcv.programs.try_model import main

    def call(folder, digest):
        scratch = tmp_path / "scratch"
        scratch.mkdir()
        params = {"model_url": str(folder), "digest": digest}
        return main(NodeContext(Role("exporter", 0), {}, params, str(scratch), lambda status: None, lambda: False))

    return call


def constant_graph(row):
    """A frozen graph that gives the same scores to every picture."""
    import tensorflow.compat.v1 as tf

    with tf.Graph().as_default() as graph:
        images = tf.placeholder(tf.float32, [None, 16, 16, 3], name="input")
        tf.multiply(tf.constant([row]), tf.ones_like(images[:, 0, 0, :1]), name="probabilities")
        return graph.as_graph_def().SerializeToString()


def test_a_model_that_scores_is_one(tmp_path, score):
    manifest = write_folder(tmp_path / "m", color_graph(16))
    assert score(tmp_path / "m", manifest.digest) == {"num_pictures": 2}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ([0.5, float("nan"), 0.5], "does not score: .*not a number"),
        ([0.5, 0.4, 0.3], r"gives no probabilities: they sum to 1\.2\d*, wanted 1"),
        ([1.5, -0.5, 0.0], "gives no probabilities"),
    ],
)
def test_a_model_that_gives_no_probabilities_is_none(tmp_path, score, row, said):
    manifest = write_folder(tmp_path / "m", constant_graph(row))
    with pytest.raises(ModelError, match=said):
        score(tmp_path / "m", manifest.digest)


def test_a_graph_that_does_not_load_is_none(tmp_path, score):
    manifest = write_folder(tmp_path / "m", b"no graph")
    with pytest.raises(ModelError):
        score(tmp_path / "m", manifest.digest)


def test_another_model_than_the_one_exported_is_none(tmp_path, score):
    write_folder(tmp_path / "m", color_graph(16))
    with pytest.raises(ModelError, match="pinned to 00"):
        score(tmp_path / "m", "00" * 32)


def test_a_tampered_file_is_told(tmp_path, score):
    manifest = write_folder(tmp_path / "m", color_graph(16))
    (tmp_path / "m" / "labels.txt").write_text("0:red\n1:green\n2:bluE\n")
    with pytest.raises(ModelError, match=r"labels\.txt' was changed"):
        score(tmp_path / "m", manifest.digest)


def test_no_model_is_told(tmp_path, score):
    with pytest.raises(MissingFileError):
        score(tmp_path / "none", "00" * 32)
