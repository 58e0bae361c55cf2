"""The transformer net: its size in, its size out, and the same numbers in strips as whole."""

import numpy as np
import pytest

from sparkcv.nets.slim import tf
from sparkcv.style import transformer_net
from sparkcv.style.strips import StripNet
from sparkcv.style.transformer_spec import PADDINGS, UPSAMPLES, TransformerSpec
from sparkcv.style.transformer_weights import TransformerWeights
from tests.style.conftest import random_weights

pytestmark = pytest.mark.tensorflow

# (height, width): each remainder by 4 in both directions, the least, long ones, and large ones.
SIZES = (
    *((17, 33), (16, 16), (18, 34), (19, 35), (20, 36), (33, 17), (61, 64), (62, 63), (63, 62), (64, 61)),
    *((16, 301), (301, 16), (127, 255), (240, 320), (333, 500), (479, 641), (719, 1281)),
    *((1080, 1920), (1500, 2000), (2000, 1500)),
)
NARROW = (2, 3, 4)


def whole(weights: TransformerWeights):
    """Return a function from uint8 ``[height, width, 3]`` to the net's float32 of the same shape, in one graph."""
    graph = tf.Graph()
    with graph.as_default():
        pixels = tf.placeholder(tf.float32, [None, None, None, 3])
        made = transformer_net.stylize(pixels, weights.spec, transformer_net.constants(weights.arrays))
    session = tf.Session(graph=graph)
    return lambda picture: session.run(made, {pixels: picture[None]})[0]


def noise(height: int, width: int) -> np.ndarray:
    rough = np.random.default_rng(height * 10_000 + width).integers(0, 256, (height, width, 3), np.uint8)
    rough[: height // 2, : width // 3] //= 3
    return rough


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("upsample", UPSAMPLES)
def test_twenty_sizes_keep_their_size_in_one_graph(padding, upsample):
    assert len(SIZES) == 20
    stylize = whole(random_weights(TransformerSpec(upsample, padding, NARROW, num_blocks=1)))
    for height, width in SIZES if (padding, upsample) == ("reflect", "resize") else SIZES[:-3]:
        made = stylize(noise(height, width))
        assert made.shape == (height, width, 3)
        assert np.isfinite(made).all()


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("upsample", UPSAMPLES)
@pytest.mark.parametrize(("height", "width"), [(16, 16), (17, 33), (62, 47), (131, 94)])
def test_strips_give_the_whole_pictures_numbers(padding, upsample, height, width):
    weights = random_weights(TransformerSpec(upsample, padding, NARROW, num_blocks=2))
    net = StripNet(weights, 0, strip_pixels=10 * width)
    picture = noise(height, width)
    made = net.stylize(picture)
    net.close()
    wanted = whole(weights)(picture)
    assert made.shape == wanted.shape
    assert np.abs(made - wanted).max() < 0.02  # of 300 that the range is wide: roundings, and no row that differs


def test_no_edge_shows_where_pictures_are_mirrored():
    stylize = whole(random_weights(TransformerSpec("resize", "reflect", NARROW, num_blocks=1)))
    assert np.ptp(stylize(np.full((32, 32, 3), 90, np.uint8)), axis=(0, 1)).max() < 0.5


def test_zeros_at_the_edges_can_be_seen():
    stylize = whole(random_weights(TransformerSpec("resize", "same", NARROW, num_blocks=1)))
    assert np.ptp(stylize(np.full((32, 32, 3), 90, np.uint8)), axis=(0, 1)).max() > 5


@pytest.mark.parametrize(("height", "width"), [(21, 18), (22, 19), (23, 20), (20, 17)])
def test_what_same_padding_adds_is_cut_where_it_was_added(height, width):
    """With a net that hands its input through, each pixel comes out where it went in."""
    spec = TransformerSpec("transposed", "same", (3, 3, 3), num_blocks=0)
    arrays = {name: np.zeros(shape, np.float32) for name, shape in spec.variables().items()}
    for layer in spec.layers:
        middle = layer.size // 2
        # The taps that make the published program's transposed convolutions the inverse of its strided ones.
        at = {"conv2": 0, "conv3": 0, "up1": 0, "up2": 0}.get(layer.name, middle)
        arrays[f"transformer/{layer.name}/weights"][at, at] = np.eye(3)
        arrays[f"transformer/{layer.name}/InstanceNorm/gamma"][:] = 1.0
    shift = (-height % 4, -width % 4)
    picture = np.zeros((height, width, 3), np.uint8)
    # Rows that the strided convolutions look at: those that, once shifted, are multiples of 4.
    picture[4 - shift[0] + 4, 4 - shift[1] + 4] = 255
    made = whole(TransformerWeights(spec, arrays, "made"))(picture)
    assert np.unravel_index(made[..., 0].argmax(), (height, width)) == (8 - shift[0], 8 - shift[1])


def test_the_variables_are_those_of_the_published_net():
    shapes = TransformerSpec("transposed").variables()
    assert len(shapes) == 48
    assert sum(int(np.prod(shape)) for shape in shapes.values()) == 1_677_638
    with tf.Graph().as_default():
        transformer_net.stylize(tf.zeros([1, 32, 32, 3]), TransformerSpec("transposed"))
        assert {each.op.name: tuple(each.shape.as_list()) for each in tf.trainable_variables()} == shapes
