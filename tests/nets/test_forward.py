"""What the nets compute, with weights and pictures that are the same on every machine."""

import numpy as np
import pytest

from sparkcv import nets
from tests.nets import goldens

pytestmark = pytest.mark.tensorflow


def fixed_weights(session, variables):
    """Fills the variables with numbers of the size that keeps activations alive (NumPy never changes RandomState)."""
    from sparkcv.nets.slim import tf

    values = {}
    in_order = sorted(variables, key=lambda variable: "/AuxLogits/" in variable.op.name)  # whenever its head was built
    for index, variable in enumerate(in_order):
        shape = variable.shape.as_list()
        noise = np.random.RandomState(index).standard_normal(shape)
        fan_in = np.prod(shape[:-1]) if len(shape) > 1 else 100.0
        value = np.ones(shape) if variable.op.name.endswith("moving_variance") else noise * np.sqrt(2.0 / fan_in)
        values[variable] = tf.placeholder(tf.float32, shape), value.astype(np.float32)
    assignments = [tf.assign(variable, placeholder) for variable, (placeholder, _) in values.items()]
    session.run(assignments, dict(values.values()))


def pictures(size):
    return np.random.RandomState(99).uniform(-1, 1, [2, size, size, 3]).astype(np.float32)


GOLDEN_LOGITS = {
    "charnet": [2.056985, 1.539889, 0.548994, -0.203879, -0.190892],
    "cifarnet": [1.93593, 0.018052, -0.070526, -1.059779, 0.2032],
    "lenet": [-0.533134, -0.514635, 1.198209, -1.081815, 0.208532],
    "inception_v3": [0.527552, 0.010393, 0.212764, -0.017746, -0.052688],
}


@pytest.mark.parametrize(("name", "size"), [("charnet", 16), ("cifarnet", 16), ("lenet", 16), ("inception_v3", 75)])
def test_logits_are_the_golden_ones(name, size):
    from sparkcv.nets.slim import model_variables, tf

    with tf.Graph().as_default() as graph, tf.Session() as session:
        logits, end_points = nets.get(name).build(tf.constant(pictures(size)), 5, is_training=False)
        fixed_weights(session, model_variables())
        logits, probabilities = session.run([logits, end_points["Predictions"]])
        assert not any(_norms_in_training(graph))
        assert not tf.get_collection(tf.GraphKeys.UPDATE_OPS)
    np.testing.assert_allclose(logits[0], GOLDEN_LOGITS[name], rtol=2e-3, atol=2e-4)
    np.testing.assert_allclose(probabilities, _softmax(logits), rtol=1e-4)


@pytest.mark.parametrize("name", ["charnet", "cifarnet", "lenet"])
def test_training_drops_activations_and_evaluation_does_not(name):
    from sparkcv.nets.slim import model_variables, tf

    with tf.Graph().as_default(), tf.Session() as session:
        images = tf.constant(pictures(16))
        evaluated, _ = nets.get(name).build(images, 5, is_training=False)
        trained, _ = nets.get(name).build(images, 5, is_training=True, reuse=True)
        fixed_weights(session, model_variables())
        once, again, dropped = session.run(evaluated), session.run(evaluated), session.run(trained)
    np.testing.assert_array_equal(once, again)
    assert np.abs(once - dropped).max() > 1e-3


@pytest.mark.parametrize("name", ["inception_v3", "resnet_v1_50"])
def test_training_normalises_by_the_batch(name):
    graph, _, _ = goldens.build(name)
    norms = _norms_in_training(graph)
    assert norms
    assert all(norms)


def _norms_in_training(graph):
    return [op.get_attr("is_training") for op in graph.get_operations() if op.type == "FusedBatchNormV3"]


def _softmax(logits):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)
