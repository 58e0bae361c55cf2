"""Preprocessing of LeNet, as in TF-Slim's ``lenet_preprocessing.py``: nothing at random, values in [-1, 1)."""

from typing import Any

import tensorflow.compat.v1 as tf

from sparkcv.preprocess import decode

__all__ = ["WHITE", "eval_pixels", "for_eval", "for_train", "scale", "train_pixels"]

WHITE = 255.0


def for_train(encoded: Any, size: int, *, use_grayscale: bool = False, seed: int | None = None) -> Any:
    """Return the same as ``for_eval``: slim distorts nothing here."""
    del seed
    return for_eval(encoded, size, use_grayscale=use_grayscale)


def for_eval(encoded: Any, size: int, *, use_grayscale: bool = False) -> Any:
    """Return the middle square, cropped or padded with black; see ``preprocess.Preprocessing.for_eval``."""
    return scale(eval_pixels(encoded, size), use_grayscale)


def train_pixels(encoded: Any, size: int, *, seed: int | None = None) -> Any:
    """Return the same as ``eval_pixels``."""
    del seed
    return eval_pixels(encoded, size)


def eval_pixels(encoded: Any, size: int) -> Any:
    """Return what ``for_eval`` scales: RGB ``[size, size, 3]`` in [0, 255]."""
    with tf.name_scope("lenet"):
        return tf.image.resize_image_with_crop_or_pad(tf.cast(decode.decode(encoded), tf.float32), size, size)


def scale(image: Any, use_grayscale: bool) -> Any:
    """Return pixels of [0, 255] in [-1, 1), as grey if asked."""
    return ((decode.to_gray(image) if use_grayscale else image) - 128.0) / 128.0
