"""Preprocessing of LeNet, as in TF-Slim's ``lenet_preprocessing.py``: nothing at random, values in [-1, 1)."""

from typing import Any

import tensorflow.compat.v1 as tf

from sparkcv.preprocess import decode

__all__ = ["for_eval", "for_train"]


def for_train(encoded: Any, size: int, *, use_grayscale: bool = False, seed: int | None = None) -> Any:
    """Return the same as ``for_eval``: slim distorts nothing here."""
    del seed
    return for_eval(encoded, size, use_grayscale=use_grayscale)


def for_eval(encoded: Any, size: int, *, use_grayscale: bool = False) -> Any:
    """Return the middle square, cropped or padded with black; see ``preprocess.Preprocessing.for_eval``."""
    with tf.name_scope("lenet"):
        image = tf.cast(decode.decode(encoded), tf.float32)
        if use_grayscale:
            image = decode.to_gray(image)
        image = tf.image.resize_image_with_crop_or_pad(image, size, size)
        return (image - 128.0) / 128.0
