import numpy as np
import pytest

from sparkcv.errors import ModelError
from tests.predict.models import color_graph

pytestmark = pytest.mark.tensorflow


@pytest.fixture
def make_engine():
    from sparkcv.predict.engines.tf import TFEngine

    made = []

    def make(graph):
        made.append(TFEngine(graph, "graph.pb"))
        return made[-1]

    yield make
    for engine in made:
        engine.close()
        engine.close()


def images(count):
    return np.random.default_rng(0).uniform(-1, 1, (count, 8, 8, 3)).astype(np.float32)


def test_a_batch_gives_one_row_of_probabilities_a_picture(make_engine):
    scores = make_engine(color_graph(8)).probabilities(images(5))
    assert scores.shape == (5, 3)
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores.sum(1), 1, rtol=1e-6)


@pytest.mark.parametrize("count", [1, 3, 4, 5, 8, 9])
def test_a_graph_of_fixed_batch_size_scores_any_number_alike(make_engine, count):
    fixed, free = make_engine(color_graph(8, batch_size=4)), make_engine(color_graph(8))
    np.testing.assert_allclose(fixed.probabilities(images(count)), free.probabilities(images(count)), rtol=1e-6)


def test_bytes_that_are_no_graph_are_refused(make_engine):
    with pytest.raises(ModelError, match=r"graph\.pb' is no TensorFlow graph"):
        make_engine(b"\xff\xff\xff")


def test_a_graph_without_the_two_tensors_is_refused(make_engine):
    with pytest.raises(ModelError, match="no graph from 'input' to 'probabilities'"):
        make_engine(b"")


@pytest.mark.parametrize("forbidden", ["read_file", "py_function", "in a function"])
def test_a_graph_that_reaches_out_of_itself_is_refused(make_engine, forbidden):
    import tensorflow.compat.v1 as tf

    with tf.Graph().as_default() as graph:
        placeholder = tf.placeholder(tf.float32, [None, 8, 8, 3], name="input")
        if forbidden == "read_file":
            tf.io.read_file("/etc/passwd")
        elif forbidden == "py_function":
            tf.py_func(lambda: np.float32(0), [], tf.float32)
        else:
            tf.function(lambda: tf.io.read_file("/etc/passwd"))()
        tf.nn.softmax(tf.reduce_mean(placeholder, [1, 2]), name="probabilities")
    with pytest.raises(ModelError, match=r"has the operation (ReadFile|PyFunc|EagerPyFunc), which a model"):
        make_engine(graph.as_graph_def().SerializeToString())
