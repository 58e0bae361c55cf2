"""Inception's values, [-1, 1], of the middle square: how the MobileNets and others are measured in their papers.

slim's own evaluation squeezes 87.5 % of both sides into a square. Of photographs, which are mostly 4:3, that takes some
points of accuracy from a net that is fed squares at another place, such as on a phone. Training is Inception's.
"""

from typing import Any

import tensorflow.compat.v1 as tf

from sparkcv.preprocess import augment, decode
from sparkcv.preprocess.inception import for_train

__all__ = ["for_eval", "for_train"]

_FRACTION = 0.875


def for_eval(encoded: Any, size: int, *, use_grayscale: bool = False) -> Any:
    """Return the middle square of 87.5 % of the shorter side, resized with antialiasing, in [-1, 1].

    See ``preprocess.Preprocessing.for_eval``.
    """
    with tf.name_scope("eval_square"):
        pixels = decode.decode_whole_crop(encoded, lambda shape: augment.central_square(shape, _FRACTION))
        image = tf.compat.v2.image.resize(pixels, [size, size], antialias=True) * (2.0 / 255.0) - 1.0
        image.set_shape([size, size, decode.CHANNELS])
        return decode.to_gray(image) if use_grayscale else image
