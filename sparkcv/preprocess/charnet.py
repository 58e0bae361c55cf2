"""Preprocessing of handwritten characters: the whole picture, whatever its shape, as a square of ink."""

from typing import Any

import tensorflow.compat.v1 as tf

from sparkcv.preprocess import decode

__all__ = ["for_eval", "for_train"]


def for_train(encoded: Any, size: int, *, use_grayscale: bool = False, seed: int | None = None) -> Any:
    """Return the same as ``for_eval``: nothing is random."""
    del seed
    return for_eval(encoded, size, use_grayscale=use_grayscale)


def for_eval(encoded: Any, size: int, *, use_grayscale: bool = False) -> Any:
    """Return the picture resized with antialiasing, 0 where it is white and 1 where it is black.

    See ``preprocess.Preprocessing.for_eval``. Thin strokes of a large picture would be lost without antialiasing. White
    is 0 as the net's convolutions see zeros beyond the edge.
    """
    with tf.name_scope("charnet"):
        pixels = decode.decode(encoded)
        if use_grayscale:
            pixels = decode.to_gray(pixels)
        image = tf.compat.v2.image.resize(pixels, [size, size], antialias=True)
        image.set_shape([size, size, 1 if use_grayscale else decode.CHANNELS])
        return 1.0 - image * (1.0 / 255.0)  # a division is rewritten where the graph is optimized: other last bits
