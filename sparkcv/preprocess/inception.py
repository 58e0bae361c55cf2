"""Preprocessing of the Inception nets, as in TF-Slim's ``inception_preprocessing.py``: values in [-1, 1]."""

from typing import Any

import tensorflow.compat.v1 as tf

from sparkcv.preprocess import augment, decode

__all__ = ["WHITE", "eval_pixels", "for_eval", "for_train", "scale", "train_pixels"]

WHITE = 1.0
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
    return scale(train_pixels(encoded, size, seed=seed, min_crop_area=min_crop_area), use_grayscale)


def train_pixels(
    encoded: Any, size: int, *, seed: int | None = None, min_crop_area: float = augment.MIN_CROP_AREA
) -> Any:
    """Return what ``for_train`` scales: RGB ``[size, size, 3]`` in [0, 1]."""
    with tf.name_scope("distort_image"):
        pixels = decode.decode_crop(encoded, lambda shape: augment.random_window(shape, seed, min_crop_area))
        image = augment.random_flip(_resize(pixels, size), seed)
        return augment.distort_color(image, seed)


def for_eval(encoded: Any, size: int, *, use_grayscale: bool = False) -> Any:
    """Return the middle 87.5 % of both sides, resized, in [-1, 1]; see ``preprocess.Preprocessing.for_eval``."""
    return scale(eval_pixels(encoded, size), use_grayscale)


def eval_pixels(encoded: Any, size: int) -> Any:
    """Return what ``for_eval`` scales: RGB ``[size, size, 3]`` in [0, 1]."""
    with tf.name_scope("eval_image"):
        pixels = decode.decode_whole_crop(encoded, lambda shape: augment.central_window(shape, _CENTRAL_FRACTION))
        return _resize(pixels, size)


def _resize(pixels: Any, size: int) -> Any:
    """Resize uint8 to float32 ``[size, size, 3]`` in [0, 1], bilinear on TF 1's grid (no half pixels), as slim.

    Resizing comes before scaling to [0, 1]: it is the same by linearity and spares a float copy of the whole crop.
    """
    image = tf.image.resize_bilinear(tf.expand_dims(pixels, 0), [size, size], align_corners=False)
    image = tf.squeeze(image, [0]) * (1.0 / 255.0)
    image.set_shape([size, size, decode.CHANNELS])
    return image


def scale(image: Any, use_grayscale: bool) -> Any:
    """Return pixels of [0, 1] in [-1, 1], as grey if asked."""
    if use_grayscale:
        image = decode.to_gray(image)
    return (image - 0.5) * 2.0
