"""Inception's values, [-1, 1], of the middle square: how the MobileNets and others are measured in their papers.

slim's own evaluation squeezes 87.5 % of both sides into a square. Of photographs, which are mostly 4:3, that takes some
points of accuracy from a net that is fed squares at another place, such as on a phone. Training is Inception's.
"""

from typing import Any

import tensorflow.compat.v1 as tf

from sparkcv.preprocess import augment, decode
from sparkcv.preprocess.inception import WHITE, for_train, scale, train_pixels

__all__ = ["WHITE", "eval_pixels", "for_eval", "for_train", "scale", "train_pixels"]

_FRACTION = 0.875


def for_eval(encoded: Any, size: int, *, use_grayscale: bool = False) -> Any:
    """Return the middle square of 87.5 % of the shorter side, resized with antialiasing, in [-1, 1].

    See ``preprocess.Preprocessing.for_eval``.
    """
    image = _square(encoded, size) * (2.0 / 255.0) - 1.0
    return decode.to_gray(image) if use_grayscale else image


def eval_pixels(encoded: Any, size: int) -> Any:
    """Return what ``for_eval`` scales: RGB ``[size, size, 3]`` in [0, 1]."""
    return _square(encoded, size) * (1.0 / 255.0)


def _square(encoded: Any, size: int) -> Any:
    with tf.name_scope("eval_square"):
        pixels = decode.decode_whole_crop(encoded, lambda shape: augment.central_square(shape, _FRACTION))
        image = tf.compat.v2.image.resize(pixels, [size, size], antialias=True)
        image.set_shape([size, size, decode.CHANNELS])
        return image
