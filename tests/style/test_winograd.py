"""Convolutions by Winograd's way against TensorFlow's: values and gradients, at sizes of whole tiles and others."""

import numpy as np
import pytest

from tests.style.vgg19_files import random_weights

pytestmark = pytest.mark.tensorflow


@pytest.mark.parametrize(("height", "width"), [(8, 12), (1, 1), (5, 6), (7, 18), (4, 3)])
def test_values_and_gradients_are_those_of_a_direct_convolution(height, width):
    import tensorflow as tf

    from sparkcv.style import winograd

    rng = np.random.default_rng(height)
    values, wanted_slope = (rng.normal(size=(1, height, width, channels)).astype("f4") for channels in (5, 7))
    kernel = rng.normal(size=(3, 3, 5, 7)).astype("f4")
    found = []
    for convolve in (
        lambda images: winograd.convolve(images, tf.constant(winograd.transformed(kernel))),
        lambda images: tf.nn.conv2d(images, kernel, 1, "SAME"),
    ):
        images = tf.constant(values)
        with tf.GradientTape() as tape:
            tape.watch(images)
            made = convolve(images)
        found.append((made, tape.gradient(made, images, wanted_slope)))
    for got, wanted in zip(*found, strict=True):
        assert got.shape == wanted.shape
        np.testing.assert_allclose(got, wanted, atol=1e-4 * np.abs(wanted).max())


def test_a_graph_takes_pictures_of_any_size():
    import tensorflow as tf

    from sparkcv.style import winograd

    kernel = tf.constant(winograd.transformed(np.random.default_rng(1).normal(size=(3, 3, 2, 3)).astype("f4")))
    run = tf.function(
        lambda images: winograd.convolve(images, kernel), input_signature=[tf.TensorSpec([1, None, None, 2])]
    )
    assert run(tf.zeros([1, 9, 6, 2])).shape == (1, 9, 6, 3)
    assert run(tf.zeros([1, 4, 17, 2])).shape == (1, 4, 17, 3)


def test_the_net_sees_the_same_by_both_ways_whether_tiled_or_not():
    from sparkcv.style import vgg19
    from sparkcv.style.losses import Targets
    from sparkcv.style.objective import Objective, content_values, style_grams
    from sparkcv.style.task import LossWeights

    widths = (4, 6, 128, 128, 8)
    kernels, biases = ({name: pair[at] for name, pair in random_weights(widths).items()} for at in (0, 1))
    weights = vgg19.Vgg19Weights(kernels, biases, np.zeros(3), "", "made")
    image, style = np.random.default_rng(3).normal(0, 50, (2, 72, 40, 3)).astype("f4")
    found = {}
    for convolutions, precision, tile_size in (
        ("direct", "float32", 0),
        ("winograd", "float32", 0),
        ("winograd", "float32", 32),
        ("winograd", "bfloat16", 0),
    ):
        net = vgg19.FeatureNet(weights, "max", precision, convolutions)
        assert len(net.features(image[None], ["relu5_1"])) == 1
        shapes = {len(kernel.shape) for kernel in net._weights.kernels.values()}
        assert shapes == ({3, 4} if (convolutions, precision) == ("winograd", "float32") else {4})
        grams = {layer: gram[None] for layer, gram in style_grams(net, style).items()}
        targets = Targets(grams, content_values(net, style, ["relu4_2"]))
        found[convolutions, precision, tile_size] = Objective(net, targets, LossWeights(), tile_size)(image)
    wanted, slope = found["direct", "float32", 0]
    for tile_size in (0, 32):
        got, found_slope = found["winograd", "float32", tile_size]
        for part in ("content", "style", "tv"):
            assert getattr(got, part) == pytest.approx(getattr(wanted, part), rel=1e-4)
        assert np.linalg.norm(found_slope - slope) < 0.01 * np.linalg.norm(slope)
