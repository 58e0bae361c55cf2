"""Preprocessing of CifarNet, as in TF-Slim's ``cifarnet_preprocessing.py``: each picture standardized by itself."""

from typing import Any

import tensorflow.compat.v1 as tf

from sparkcv.preprocess import augment, decode

__all__ = ["WHITE", "eval_pixels", "for_eval", "for_train", "scale", "train_pixels"]

WHITE = 255.0
_PADDING = 4
_MAX_BRIGHTNESS_DELTA = 63.0
_CONTRAST_RANGE = (0.2, 1.8)


def for_train(encoded: Any, size: int, *, use_grayscale: bool = False, seed: int | None = None) -> Any:
    """Return a random square of the picture with a black edge of 4 pixels, flipped, distorted, standardized.

    See ``preprocess.Preprocessing.for_train``. Pictures are not resized; one that is smaller than ``size`` even
    with its edge gets a wider one, where slim fails.
    """
    return scale(_distorted(_floats(encoded, use_grayscale), size, seed), False)


def train_pixels(encoded: Any, size: int, *, seed: int | None = None) -> Any:
    """Return what ``for_train`` standardizes: RGB ``[size, size, 3]``, 0 to 255 and, as in slim, beyond."""
    return _distorted(_floats(encoded, False), size, seed)


def _distorted(image: Any, size: int, seed: int | None) -> Any:
    with tf.name_scope("cifarnet_train"):
        image = _pad_to(image, size)
        image = tf.random_crop(image, [size, size, image.shape[-1]], seed=augment.op_seed(seed, 0))
        image = augment.random_flip(image, seed)
        image = tf.image.random_brightness(image, max_delta=_MAX_BRIGHTNESS_DELTA, seed=augment.op_seed(seed, 2))
        return tf.image.random_contrast(image, *_CONTRAST_RANGE, seed=augment.op_seed(seed, 3))


def for_eval(encoded: Any, size: int, *, use_grayscale: bool = False) -> Any:
    """Return the middle square, cropped or padded with black, standardized; see ``Preprocessing.for_eval``."""
    return scale(_middle(_floats(encoded, use_grayscale), size), False)


def eval_pixels(encoded: Any, size: int) -> Any:
    """Return what ``for_eval`` standardizes: RGB ``[size, size, 3]`` in [0, 255]."""
    return _middle(_floats(encoded, False), size)


def scale(image: Any, use_grayscale: bool) -> Any:
    """Return pixels with mean 0 and standard deviation 1, as grey if asked."""
    return tf.image.per_image_standardization(decode.to_gray(image) if use_grayscale else image)


def _middle(image: Any, size: int) -> Any:
    with tf.name_scope("cifarnet_eval"):
        return tf.image.resize_image_with_crop_or_pad(image, size, size)


def _floats(encoded: Any, use_grayscale: bool) -> Any:
    image = tf.cast(decode.decode(encoded), tf.float32)
    return decode.to_gray(image) if use_grayscale else image


def _pad_to(image: Any, size: int) -> Any:
    """Pad all four sides by 4 pixels, or by as many as make the picture ``size`` pixels high and wide."""
    lacking = tf.maximum(size - tf.shape(image)[:2], 0)
    edge = tf.maximum((lacking + 1) // 2, _PADDING)
    return tf.pad(image, tf.stack([[edge[0], edge[0]], [edge[1], edge[1]], [0, 0]]))
