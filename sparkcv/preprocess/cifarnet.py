"""Preprocessing of CifarNet, as in TF-Slim's ``cifarnet_preprocessing.py``: each picture standardized by itself."""

from typing import Any

import tensorflow.compat.v1 as tf

from sparkcv.preprocess import augment, decode

__all__ = ["for_eval", "for_train"]

_PADDING = 4
_MAX_BRIGHTNESS_DELTA = 63.0
_CONTRAST_RANGE = (0.2, 1.8)


def for_train(encoded: Any, size: int, *, use_grayscale: bool = False, seed: int | None = None) -> Any:
    """Return a random square of the picture with a black edge of 4 pixels, flipped, distorted, standardized.

    See ``preprocess.Preprocessing.for_train``. Pictures are not resized; one that is smaller than ``size`` even
    with its edge gets a wider one, where slim fails.
    """
    with tf.name_scope("cifarnet_train"):
        image = _pad_to(_floats(encoded, use_grayscale), size)
        image = tf.random_crop(image, [size, size, image.shape[-1]], seed=augment.op_seed(seed, 0))
        image = augment.random_flip(image, seed)
        image = tf.image.random_brightness(image, max_delta=_MAX_BRIGHTNESS_DELTA, seed=augment.op_seed(seed, 2))
        image = tf.image.random_contrast(image, *_CONTRAST_RANGE, seed=augment.op_seed(seed, 3))
        return tf.image.per_image_standardization(image)


def for_eval(encoded: Any, size: int, *, use_grayscale: bool = False) -> Any:
    """Return the middle square, cropped or padded with black, standardized; see ``Preprocessing.for_eval``."""
    with tf.name_scope("cifarnet_eval"):
        image = tf.image.resize_image_with_crop_or_pad(_floats(encoded, use_grayscale), size, size)
        return tf.image.per_image_standardization(image)


def _floats(encoded: Any, use_grayscale: bool) -> Any:
    image = tf.cast(decode.decode(encoded), tf.float32)
    return decode.to_gray(image) if use_grayscale else image


def _pad_to(image: Any, size: int) -> Any:
    """Pad all four sides by 4 pixels, or by as many as make the picture ``size`` pixels high and wide."""
    lacking = tf.maximum(size - tf.shape(image)[:2], 0)
    edge = tf.maximum((lacking + 1) // 2, _PADDING)
    return tf.pad(image, tf.stack([[edge[0], edge[0]], [edge[1], edge[1]], [0, 0]]))
