"""Moving a square picture's pixels: mirrors and turns, which lose nothing, and affine maps, which resample once.

An affine map here goes from an *output* pixel to the place in the *input* where its value comes from, a float32 matrix
``[3, 3]`` for ``(x, y, 1)``; (0, 0) is the middle of the upper left pixel. Several become one by a product of matrices,
so that a picture that is zoomed, sheared, turned and moved is interpolated once, not four times.
"""

import math
from typing import Any

import tensorflow.compat.v1 as tf

__all__ = [
    "crop",
    "flip_left_right",
    "flip_top_bottom",
    "quarter_turns",
    "resample",
    "rotation",
    "shear",
    "shift",
    "transpose",
    "zoom",
]

_FILL_MODES = {"reflect": "REFLECT", "nearest": "NEAREST", "black": "CONSTANT"}


def flip_left_right(image: Any) -> Any:
    """Mirror ``[height, width, channels]`` left to right."""
    return tf.reverse(image, [1])


def flip_top_bottom(image: Any) -> Any:
    """Mirror ``[height, width, channels]`` top to bottom."""
    return tf.reverse(image, [0])


def transpose(image: Any) -> Any:
    """Mirror ``[side, side, channels]`` at the diagonal from the upper left."""
    return tf.transpose(image, [1, 0, 2])


def quarter_turns(image: Any, count: Any) -> Any:
    """Turn ``[side, side, channels]`` by 90 degrees against the clock, ``count`` times, a scalar int32 of 0 to 3."""
    turns = (lambda: image, lambda: tf.reverse(transpose(image), [0]), lambda: tf.reverse(image, [0, 1]))
    return tf.switch_case(tf.convert_to_tensor(count), [*turns, lambda: tf.reverse(transpose(image), [1])])


def rotation(degrees: Any, side: int) -> Any:
    """Return the map that turns a picture about its middle, against the clock."""
    radians = degrees * (math.pi / 180.0)
    sine, cosine = tf.sin(radians), tf.cos(radians)
    return _about_middle([[cosine, -sine], [sine, cosine]], side)


def shear(degrees: Any, side: int) -> Any:
    """Return the map that lets upright lines lean, to the right for positive degrees; the middle row stays."""
    return _about_middle([[1.0, tf.tan(degrees * (math.pi / 180.0))], [0.0, 1.0]], side)


def zoom(factor: Any, side: int) -> Any:
    """Return the map that enlarges by ``factor`` about the middle."""
    return _about_middle([[1.0 / factor, 0.0], [0.0, 1.0 / factor]], side)


def shift(shares: Any, side: int) -> Any:
    """Return the map that moves a picture by ``[to the right, downwards]``, shares of its side."""
    return _matrix([[1.0, 0.0, -shares[0] * side], [0.0, 1.0, -shares[1] * side]])


def crop(share: Any, places: Any, side: int) -> Any:
    """Return the map that cuts ``share`` of both sides out and enlarges it to the whole.

    ``places`` is ``[x, y]`` from 0, where the part touches the left or upper edge, to 1, where it touches the other.
    """
    begin = [places[axis] * (1.0 - share) * side + 0.5 * share - 0.5 for axis in (0, 1)]  # of the first pixel's middle
    return _matrix([[share, 0.0, begin[0]], [0.0, share, begin[1]]])


def resample(image: Any, matrix: Any, fill: str) -> Any:
    """Return ``output[y, x] = image`` at ``matrix @ (x, y, 1)``, bilinear between pixels.

    ``image`` and the result are float32 ``[side, side, channels]``. ``fill`` is what lies outside: ``reflect`` mirrors
    the picture at its edge (``c b a [a b c] c b a``), ``nearest`` continues its outermost pixels, ``black`` is 0.
    """
    # The last of the eight numbers, which is 1, is left out; the two of perspective are 0.
    flat = tf.reshape(tf.concat([tf.reshape(matrix[:2], [6]), tf.zeros([2])], 0), [1, 8])
    moved = tf.raw_ops.ImageProjectiveTransformV3(
        images=tf.expand_dims(image, 0),
        transforms=flat,
        output_shape=tf.shape(image)[:2],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode=_FILL_MODES[fill],
    )
    moved = tf.squeeze(moved, [0])
    moved.set_shape(image.shape)
    return moved


def _about_middle(rows: Any, side: int) -> Any:
    """Return the map of a 2 x 2 matrix that leaves the middle of the picture where it is."""
    middle = (side - 1) / 2.0
    moved = [[row[0], row[1], middle - (row[0] + row[1]) * middle] for row in rows]
    return _matrix(moved)


def _matrix(rows: Any) -> Any:
    return tf.stack([tf.stack([tf.cast(value, tf.float32) for value in row]) for row in [*rows, [0.0, 0.0, 1.0]]])
