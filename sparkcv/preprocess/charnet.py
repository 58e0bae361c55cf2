"""Preprocessing of handwritten characters: the whole picture, whatever its shape, as a square of ink."""

from typing import Any

import tensorflow.compat.v1 as tf

from sparkcv.preprocess import decode

__all__ = ["WHITE", "eval_pixels", "for_eval", "for_train", "scale", "train_pixels"]

WHITE = 1.0


def for_train(encoded: Any, size: int, *, use_grayscale: bool = False, seed: int | None = None) -> Any:
    """Return the same as ``for_eval``: nothing is random."""
    del seed
    return for_eval(encoded, size, use_grayscale=use_grayscale)


def for_eval(encoded: Any, size: int, *, use_grayscale: bool = False) -> Any:
    """Return the picture resized with antialiasing, 0 where it is white and 1 where it is black.

    See ``preprocess.Preprocessing.for_eval``. Thin strokes of a large picture would be lost without antialiasing. White
    is 0 as the net's convolutions see zeros beyond the edge.
    """
    pixels = decode.decode(encoded)
    return 1.0 - _resized(decode.to_gray(pixels) if use_grayscale else pixels, size)


def train_pixels(encoded: Any, size: int, *, seed: int | None = None) -> Any:
    """Return the same as ``eval_pixels``."""
    del seed
    return eval_pixels(encoded, size)


def eval_pixels(encoded: Any, size: int) -> Any:
    """Return the picture as ``for_eval`` has it, but 1 where it is white: RGB ``[size, size, 3]`` in [0, 1]."""
    return _resized(decode.decode(encoded), size)


def scale(image: Any, use_grayscale: bool) -> Any:
    """Return pixels of [0, 1] as ink, 1 where they are black, as grey if asked."""
    return 1.0 - (decode.to_gray(image) if use_grayscale else image)


def _resized(pixels: Any, size: int) -> Any:
    with tf.name_scope("charnet"):
        channels = pixels.shape[-1]
        image = tf.compat.v2.image.resize(pixels, [size, size], antialias=True)
        image.set_shape([size, size, channels])
        return image * (1.0 / 255.0)  # a division is rewritten where the graph is optimized: other last bits
