"""Preprocessing of the Inception nets, as in TF-Slim's ``inception_preprocessing.py``: values in [-1, 1]."""

from typing import Any

import tensorflow.compat.v1 as tf

from sparkcv.preprocess import augment, decode

__all__ = ["for_eval", "for_train"]

_CENTRAL_FRACTION = 0.875


def for_train(
    encoded: Any,
    size: int,
    *,
    use_grayscale: bool = False,
    seed: int | None = None,
    min_crop_area: float = augment.MIN_CROP_AREA,
) -> Any:
    """Return a random window, resized without regard to its aspect ratio, flipped and distorted in colour.

    See ``preprocess.Preprocessing.for_train``; values are in [-1, 1].
    """
    with tf.name_scope("distort_image"):
        pixels = decode.decode_crop(encoded, lambda shape: augment.random_window(shape, seed, min_crop_area))
        image = augment.random_flip(_resize(pixels, size), seed)
        image = augment.distort_color(image, seed)
        return _scale(image, use_grayscale)


def for_eval(encoded: Any, size: int, *, use_grayscale: bool = False) -> Any:
    """Return the middle 87.5 % of both sides, resized, in [-1, 1]; see ``preprocess.Preprocessing.for_eval``."""
    with tf.name_scope("eval_image"):
        pixels = decode.decode_whole_crop(encoded, lambda shape: augment.central_window(shape, _CENTRAL_FRACTION))
        return _scale(_resize(pixels, size), use_grayscale)


def _resize(pixels: Any, size: int) -> Any:
    """Resize uint8 to float32 ``[size, size, 3]`` in [0, 1], bilinear on TF 1's grid (no half pixels), as slim.

    Resizing comes before scaling to [0, 1]: it is the same by linearity and spares a float copy of the whole crop.
    """
    image = tf.image.resize_bilinear(tf.expand_dims(pixels, 0), [size, size], align_corners=False)
    image = tf.squeeze(image, [0]) * (1.0 / 255.0)
    image.set_shape([size, size, decode.CHANNELS])
    return image


def _scale(image: Any, use_grayscale: bool) -> Any:
    if use_grayscale:
        image = decode.to_gray(image)
    return (image - 0.5) * 2.0
