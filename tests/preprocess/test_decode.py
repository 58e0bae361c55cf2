"""Decoding and cropping at once gives the pixels of decoding and then cropping."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from sparkcv.preprocess import decode

pytestmark = pytest.mark.tensorflow


def run(build, *arguments):
    with tf.Graph().as_default(), tf.Session() as session:
        return session.run(build(*arguments))


def test_every_kind_of_picture_becomes_three_channels_of_its_size(kind):
    name, data = kind
    pixels = run(decode.decode, data)
    assert pixels.dtype == np.uint8
    assert pixels.shape == (90, 120, 3)
    assert pixels.std() > 10, name


def test_a_window_is_that_part_of_the_whole_picture(kind):
    _, data = kind
    window = [10, 20, 33, 44]
    part = run(decode.decode_crop, data, lambda shape: tf.constant(window) + 0 * shape[0])
    assert part.shape == (33, 44, 3)
    whole = run(decode.decode, data)[10:43, 20:64]
    # Chroma at the edge of a window is interpolated without its neighbours outside.
    assert np.abs(part.astype(int) - whole.astype(int)).mean() < 1.0


def test_the_window_is_chosen_by_the_pictures_shape(kind):
    _, data = kind
    part = run(decode.decode_crop, data, lambda shape: tf.stack([0, 0, shape[0], shape[1] // shape[2]]))
    assert part.shape == (90, 40, 3)


@pytest.mark.parametrize("data", [b"", b"no picture at all", b"\xff\xd8\xff\xe0 cut short"])
def test_bytes_that_are_no_picture_fail_when_the_graph_runs(data):
    with pytest.raises(tf.errors.InvalidArgumentError):
        run(decode.decode, data)
    with pytest.raises(tf.errors.InvalidArgumentError):
        run(decode.decode_crop, data, lambda shape: tf.concat([[0, 0], shape[:2]], axis=0))


def test_grey_is_luminance():
    pixels = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]]], np.float32)
    gray = run(lambda: decode.to_gray(tf.constant(pixels)))
    np.testing.assert_allclose(gray[0, :, 0], [76.2, 149.7, 29.1], atol=0.1)
