"""Inception's auxiliary head at small sizes, and where the decay of batch normalisation goes."""

import pytest

from sparkcv import nets
from tests.nets import goldens

pytestmark = pytest.mark.tensorflow


@pytest.fixture(scope="module")
def inception():
    """Inception v3 for training at 107 pixels, with a decay of its own, in a graph that nobody adds to but for runs."""
    from sparkcv.nets.slim import tf

    with tf.Graph().as_default() as graph:
        images = tf.zeros([2, 107, 107, 3])
        _, end_points = nets.get("inception_v3").build(images, goldens.NUM_CLASSES, True, batch_norm_decay=0.9)
    return graph, end_points


def test_the_auxiliary_head_of_small_pictures_has_slims_variables(inception):
    """At 107 pixels slim's own head begins to fit, and its second convolution is 1x1 there."""
    from sparkcv.nets.slim import model_variables

    graph, end_points = inception
    with graph.as_default():
        assert end_points["AuxLogits"].shape.as_list() == [2, goldens.NUM_CLASSES]
        slims = {f"{v.op.name} {v.shape.as_list()} float32" for v in model_variables() if "/AuxLogits/" in v.op.name}
    assert "InceptionV3/AuxLogits/Conv2d_2a_1x1/weights [1, 1, 128, 768] float32" in slims
    assert slims == {line for line in goldens.variables("inception_v3") if "/AuxLogits/" in line}


@pytest.mark.parametrize(("name", "decay"), [("inception_v3", 0.9997), ("resnet_v1_50", 0.997)])
def test_batch_normalisation_decays_as_slim_unless_told_otherwise(name, decay):
    graph, _, _ = goldens.build(name)
    with graph.as_default():
        assert variance_after_one_update() == pytest.approx(decay, abs=1e-6)


def test_the_decay_of_batch_normalisation_reaches_the_moving_variance(inception):
    with inception[0].as_default():
        assert variance_after_one_update() == pytest.approx(0.9, abs=1e-6)


def variance_after_one_update():
    """Pictures of zeros have a variance of 0, so that one update leaves the decay of the initial 1."""
    from sparkcv.nets.slim import model_variables, tf

    variance = next(v for v in model_variables() if v.op.name.endswith("moving_variance"))
    layer = variance.op.name.rsplit("/", 2)[0]
    mine = [variable for variable in tf.global_variables() if variable.op.name.startswith(f"{layer}/")]
    with tf.Session() as session:
        session.run([variable.initializer for variable in mine])
        session.run(tf.get_collection(tf.GraphKeys.UPDATE_OPS)[:2])
        return session.run(variance).mean()
