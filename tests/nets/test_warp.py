"""Warping gives what a loop over pixels gives, on every border, and its gradients are those of small differences."""

import math

import numpy as np
import pytest

from sparkcv.errors import UsageError
from sparkcv.nets import warp
from sparkcv.nets.slim import tf

pytestmark = pytest.mark.tensorflow

RANDOM = np.random.RandomState(0)
IMAGES = RANDOM.normal(size=[2, 4, 5, 3])
FLOW = RANDOM.uniform(-7, 7, size=[2, 4, 5, 2])  # far beyond each edge


def run(tensor):
    with tf.Session() as session:
        return session.run(tensor)


@pytest.fixture(autouse=True)
def _graph():
    with tf.Graph().as_default():
        yield


def pixel(image, x, y, border):
    height, width, channels = image.shape
    if border == "zeros":
        return image[y, x] if 0 <= x < width and 0 <= y < height else np.zeros(channels)
    if border == "border":
        return image[min(max(y, 0), height - 1), min(max(x, 0), width - 1)]
    padded = np.pad(image, [(20, 20), (20, 20), (0, 0)], mode="reflect")
    return padded[y + 20, x + 20]


def looped(images, flow, border):
    """The definition, pixel by pixel."""
    result = np.zeros_like(images)
    for index, image in enumerate(images):
        for y in range(image.shape[0]):
            for x in range(image.shape[1]):
                at_x, at_y = x + flow[index, y, x, 0], y + flow[index, y, x, 1]
                left, top = math.floor(at_x), math.floor(at_y)
                for near_x, near_y in ((left, top), (left + 1, top), (left, top + 1), (left + 1, top + 1)):
                    share = (1 - abs(at_x - near_x)) * (1 - abs(at_y - near_y))
                    result[index, y, x] += share * pixel(image, near_x, near_y, border)
    return result


@pytest.mark.parametrize("border", warp.BORDERS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_it_is_what_a_loop_over_pixels_gives(border, dtype):
    got = run(warp.backward_warp(tf.constant(IMAGES, dtype), tf.constant(FLOW, dtype), border))
    assert got.dtype == dtype
    np.testing.assert_allclose(got, looped(IMAGES, FLOW, border), atol=1e-5 if dtype == np.float32 else 1e-12)


@pytest.mark.parametrize("border", warp.BORDERS)
def test_no_flow_is_the_picture_itself_to_the_last_bit(border):
    got = run(warp.backward_warp(tf.constant(IMAGES, tf.float32), tf.zeros([2, 4, 5, 2]), border))
    np.testing.assert_array_equal(got, IMAGES.astype(np.float32))


def test_a_flow_to_the_right_takes_each_pixel_from_its_right():
    image = tf.constant(np.arange(6.0).reshape(1, 2, 3, 1))
    right, down = (tf.constant(np.tile(step, [1, 2, 3, 1])) for step in ([1.0, 0.0], [0.0, 1.0]))
    np.testing.assert_array_equal(run(warp.backward_warp(image, right))[0, ..., 0], [[1, 2, 0], [4, 5, 0]])
    np.testing.assert_array_equal(run(warp.backward_warp(image, down))[0, ..., 0], [[3, 4, 5], [0, 0, 0]])
    np.testing.assert_array_equal(run(warp.backward_warp(image, right, "border"))[0, ..., 0], [[1, 2, 2], [4, 5, 5]])
    np.testing.assert_array_equal(run(warp.backward_warp(image, right, "reflect"))[0, ..., 0], [[1, 2, 1], [4, 5, 4]])


@pytest.mark.parametrize("border", warp.BORDERS)
def test_a_picture_of_one_pixel_has_one_value_and_zeros_around_it(border):
    image, flow = tf.constant([[[[5.0]]]]), tf.constant([[[[3.0, -2.0]]]])
    assert run(warp.backward_warp(image, flow, border)) == (0 if border == "zeros" else 5)


@pytest.mark.parametrize("border", warp.BORDERS)
def test_gradients_are_those_of_small_differences(border):
    flow = np.clip(FLOW / 3, -1.9, 1.9)
    flow[np.abs(flow - np.round(flow)) < 0.05] += 0.1  # the slope changes at whole pixels
    images = tf.constant(IMAGES)
    shifts = tf.constant(flow)
    out = warp.backward_warp(images, shifts, border)
    with tf.Session():
        for tensor, value in ((images, IMAGES), (shifts, flow)):
            exact, by_differences = tf.test.compute_gradient(
                tensor, value.shape, out, IMAGES.shape, x_init_value=value, delta=1e-4
            )
            assert np.abs(exact).max() > 0.1
            np.testing.assert_allclose(exact, by_differences, atol=1e-6)


def test_a_flow_without_bounds_gives_zeros_or_the_edge_and_nan_gives_nan():
    image = tf.constant(IMAGES[:1, :1, :2, :1], tf.float32)
    flow = tf.constant([[[[1e30, 0.0], [math.nan, 0.0]]]], tf.float32)
    far, nan = run(warp.backward_warp(image, flow, "zeros"))[0, 0, :, 0]
    assert far == 0
    assert math.isnan(nan)
    assert run(warp.backward_warp(image, flow, "border"))[0, 0, 0, 0] == np.float32(IMAGES[0, 0, 1, 0])


def test_sizes_need_not_be_known_when_the_graph_is_built():
    images = tf.placeholder(tf.float32, [None, None, None, 3])
    flow = tf.placeholder(tf.float32, [None, None, None, 2])
    out = warp.backward_warp(images, flow, "reflect")
    with tf.Session() as session:
        got = session.run(out, {images: IMAGES, flow: FLOW})
    np.testing.assert_allclose(got, looped(IMAGES, FLOW, "reflect"), atol=1e-5)


def test_points_need_not_be_as_many_as_pixels():
    points = tf.constant([[[[1.5, 0.5], [4.0, 3.0]]]] * 2)
    got = run(warp.sample(tf.constant(IMAGES, tf.float32), points))
    assert got.shape == (2, 1, 2, 3)
    np.testing.assert_allclose(got[:, 0, 0], IMAGES[:, :2, 1:3].mean(axis=(1, 2)), atol=1e-6)
    np.testing.assert_allclose(got[:, 0, 1], IMAGES[:, 3, 4], atol=1e-6)


def test_a_grid_has_x_before_y():
    assert run(warp.grid(2, 3)).tolist() == [[[0, 0], [1, 0], [2, 0]], [[0, 1], [1, 1], [2, 1]]]


def test_inside_is_up_to_the_outermost_pixel_centres():
    flow = np.zeros([1, 1, 3, 2], np.float32)
    flow[0, 0, :, 0] = [2.0, 1.5, -2.0]
    assert run(warp.inside(tf.constant(flow))).ravel().tolist() == [1, 0, 1]
    flow[0, 0, :, 0], flow[0, 0, :, 1] = 0, [0.0, 0.1, -0.1]
    assert run(warp.inside(tf.constant(flow))).ravel().tolist() == [1, 0, 0]


def test_an_affine_map_is_from_output_pixels_to_input_pixels():
    matrices = np.array([[[1, 0, 0], [0, 1, 0]], [[0, -1, 3], [1, 0, 0]]], np.float32)  # the second turns by 90 degrees
    flow = run(warp.affine_flow(tf.constant(matrices), 4, 4))
    np.testing.assert_array_equal(flow[0], np.zeros([4, 4, 2]))
    image = RANDOM.normal(size=[1, 4, 4, 1]).astype(np.float32)
    turned = run(warp.backward_warp(tf.constant(image), tf.constant(flow[1:])))
    np.testing.assert_allclose(turned[0, ..., 0], np.rot90(image[0, ..., 0], 1), atol=1e-6)


def test_a_composed_flow_warps_as_one_after_the_other():
    image = tf.constant(RANDOM.normal(size=[1, 8, 9, 2]))
    first = tf.constant(np.round(RANDOM.uniform(-2, 2, [1, 8, 9, 2])))
    second = tf.constant(np.round(RANDOM.uniform(-2, 2, [1, 8, 9, 2])))
    both = warp.backward_warp(image, warp.compose(first, second), "border")
    in_turn = warp.backward_warp(warp.backward_warp(image, first, "border"), second, "border")
    at = warp.inside(second)
    got, wanted, counted = run([both, in_turn, at])
    assert counted.mean() > 0.5
    np.testing.assert_allclose(got * counted, wanted * counted, atol=1e-12)


def test_a_resized_flow_counts_the_new_pixels():
    flow = np.tile(np.array([3.0, -1.0], np.float32), [1, 4, 10, 1])
    got = run(warp.resize_flow(tf.constant(flow), 12, 20))
    assert got.shape == (1, 12, 20, 2)
    np.testing.assert_allclose(got, np.tile([6.0, -3.0], [1, 12, 20, 1]), rtol=1e-6)
    # A flow that moves each pixel to twice its place moves each new pixel so as well.
    centre = run(warp.grid(4, 6))[np.newaxis] + 0.5
    got = run(warp.resize_flow(tf.constant(centre), 8, 12))
    np.testing.assert_allclose(got[0, 2:-2, 2:-2], (run(warp.grid(8, 12)) + 0.5)[2:-2, 2:-2], rtol=1e-5)


IMAGE, WAY = ([2, 4, 5, 3], tf.float32), ([2, 4, 5, 2], tf.float32)


@pytest.mark.parametrize(
    ("images", "flow", "message"),
    [
        (([2, 4, 5], tf.float32), WAY, r"got images of float32\[2, 4, 5\], wanted floats of \[batch, height, width"),
        (([2, 4, 5, 3], tf.uint8), WAY, r"got images of uint8\[2, 4, 5, 3\], wanted floats"),
        (IMAGE, ([2, 4, 5, 3], tf.float32), r"got a flow of float32\[2, 4, 5, 3\], wanted float32 or float64 of"),
        (IMAGE, ([2, 4, 5, 2], tf.int32), r"got a flow of int32\[2, 4, 5, 2\]"),
        (IMAGE, ([3, 4, 5, 2], tf.float32), "wanted the same batch"),
        (IMAGE, ([2, 5, 4, 2], tf.float32), "wanted the same height"),
        (IMAGE, ([2, 4, 4, 2], tf.float32), r"images of shape \[2, 4, 5, 3\] and a flow of shape \[2, 4, 4, 2\]"),
    ],
)
def test_what_does_not_fit_is_told_when_the_graph_is_built(images, flow, message):
    made = [tf.zeros(shape, dtype) for shape, dtype in (images, flow)]
    with pytest.raises(UsageError, match=message):
        warp.backward_warp(*made)


def test_an_unknown_border_is_told_with_the_nearest():
    with pytest.raises(UsageError, match=r"unknown border 'reflekt', did you mean 'reflect'\?"):
        warp.backward_warp(tf.zeros(IMAGE[0]), tf.zeros(WAY[0]), "reflekt")


def test_helpers_refuse_what_they_cannot_use():
    with pytest.raises(UsageError, match=r"affine_flow: got float32\[2, 3\], wanted floats of \[batch, 2, 3\]"):
        warp.affine_flow(tf.zeros([2, 3]), 4, 4)
    with pytest.raises(UsageError, match="resize_flow: got 0 x 3, wanted at least one pixel"):
        warp.resize_flow(tf.zeros(WAY[0]), 0, 3)
    for function in (warp.inside, lambda flow: warp.compose(flow, flow), lambda flow: warp.resize_flow(flow, 2, 2)):
        with pytest.raises(UsageError, match=r"got a flow of float32\[4, 5, 2\]"):
            function(tf.zeros([4, 5, 2]))


def test_points_of_another_batch_are_told():
    with pytest.raises(UsageError, match=r"sample: got images .* and points .*; wanted the same batch"):
        warp.sample(tf.zeros(IMAGE[0]), tf.zeros([3, 1, 1, 2]))
