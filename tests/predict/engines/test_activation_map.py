"""Maps of what mattered: the class-activation map against its formula, the occlusion map on a picture of one spot."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from sparkcv.predict.engines.activation_map import class_activation_map
from sparkcv.predict.engines.tf import TFEngine
from sparkcv.predict.occlusion import occlusion_map


def engine(head):
    """A net of 16 x 16 pixels: a fixed convolution of stride 4 to 5 maps, then ``head``."""
    random = np.random.default_rng(3)
    kernel = random.normal(size=(4, 4, 3, 5)).astype(np.float32)
    weights = random.normal(size=(5, 2)).astype(np.float32)
    with tf.Graph().as_default() as graph:
        images = tf.placeholder(tf.float32, [None, 16, 16, 3], name="input")
        features = tf.nn.relu(tf.nn.conv2d(images, kernel, strides=4, padding="VALID"))
        tf.nn.softmax(head(features, weights), name="probabilities")
        return TFEngine(graph.as_graph_def().SerializeToString(), "test"), kernel, weights


def dense(features, weights):
    return tf.matmul(tf.reduce_mean(features, [1, 2]), weights)


def convolution(features, weights):
    pooled = tf.reduce_mean(features, [1, 2], keepdims=True)
    return tf.squeeze(tf.nn.bias_add(tf.nn.conv2d(pooled, weights[None, None], 1, "VALID"), [0.5, -0.5]), [1, 2])


@pytest.mark.parametrize("head", [dense, convolution])
def test_a_class_activation_map_is_the_weighted_sum_of_the_last_maps(head):
    net, kernel, weights = engine(head)
    image = np.random.default_rng(4).uniform(-1, 1, (16, 16, 3)).astype(np.float32)
    blocks = image.reshape(4, 4, 4, 4, 3).transpose(0, 2, 1, 3, 4)
    features = np.maximum(np.einsum("abijc,ijcf->abf", blocks, kernel), 0)
    wanted = np.maximum(features @ weights[:, 1], 0)
    wanted = (wanted - wanted.min()) / np.ptp(wanted)
    assert class_activation_map(net, image, 1) == pytest.approx(wanted, abs=1e-5)
    net.close()


def test_a_net_without_a_global_pool_has_none():
    net, _, _ = engine(lambda features, weights: tf.reshape(features, [-1, 80])[:, :2])
    assert class_activation_map(net, np.zeros((16, 16, 3), np.float32), 0) is None
    net.close()


def test_an_occlusion_map_finds_the_spot_that_the_score_comes_from():
    with tf.Graph().as_default() as graph:
        images = tf.placeholder(tf.float32, [None, 28, 28, 3], name="input")
        spot = tf.reduce_mean(images[:, 8:12, 20:24], [1, 2, 3])
        tf.nn.softmax(tf.stack([spot, -spot], 1), name="probabilities")
        net = TFEngine(graph.as_graph_def().SerializeToString(), "test")
    image = np.zeros((28, 28, 3), np.float32)
    image[8:12, 20:24] = 1
    found = occlusion_map(net.probabilities, image, 0)
    assert np.unravel_index(found.argmax(), found.shape) == (2, 5)
    assert np.sort(found.ravel())[-2] == 0
    net.close()
