"""Preprocessing of VGG and ResNet, as in TF-Slim's ``vgg_preprocessing.py``: 0 to 255 less ImageNet's mean colour."""

from typing import Any

import tensorflow.compat.v1 as tf

from sparkcv.preprocess import augment, decode

__all__ = ["WHITE", "eval_pixels", "for_eval", "for_train", "scale", "train_pixels"]

WHITE = 255.0
_MEAN_RGB = (123.68, 116.78, 103.94)
_MIN_SIDE = 256
_MAX_SIDE = 512
_LONGEST = 16  # times the shorter side: a line of 1 x 1,500 pixels would be enlarged to gigabytes


def for_train(encoded: Any, size: int, *, use_grayscale: bool = False, seed: int | None = None) -> Any:
    """Resize the shorter side to 256 to 512 pixels at random, take a random square, flip it at random.

    See ``preprocess.Preprocessing.for_train``; values are in [-123.68, 151.06]. ``size`` is at most 256. Of a picture
    that is longer than 16 times its shorter side, a random part of that length stands for the whole.
    """
    return scale(train_pixels(encoded, size, seed=seed), use_grayscale)


def train_pixels(encoded: Any, size: int, *, seed: int | None = None) -> Any:
    """Return what ``for_train`` scales: RGB ``[size, size, 3]`` in [0, 255]."""
    with tf.name_scope("vgg_train"):
        side = tf.random_uniform([], _MIN_SIDE, _MAX_SIDE + 1, tf.int32, seed=augment.op_seed(seed, 0))
        pixels = decode.decode(encoded)
        part = tf.random_crop(pixels, _part_of(tf.shape(pixels)), seed=augment.op_seed(seed, 3))
        image = _resize_shorter_side(part, side)
        image = tf.random_crop(image, [size, size, decode.CHANNELS], seed=augment.op_seed(seed, 2))
        return augment.random_flip(image, seed)


def for_eval(encoded: Any, size: int, *, use_grayscale: bool = False) -> Any:
    """Resize the shorter side to 256 pixels, take the middle square; see ``preprocess.Preprocessing.for_eval``.

    Of a picture that is longer than 16 times its shorter side, the middle part of that length stands for the whole.
    """
    return scale(eval_pixels(encoded, size), use_grayscale)


def eval_pixels(encoded: Any, size: int) -> Any:
    """Return what ``for_eval`` scales: RGB ``[size, size, 3]`` in [0, 255]."""
    with tf.name_scope("vgg_eval"):
        pixels = decode.decode(encoded)
        part = _part_of(tf.shape(pixels))
        pixels = tf.slice(pixels, (tf.shape(pixels) - part) // 2, part)
        image = _resize_shorter_side(pixels, tf.constant(_MIN_SIDE))
        shape = tf.shape(image)
        return tf.slice(image, [(shape[0] - size) // 2, (shape[1] - size) // 2, 0], [size, size, decode.CHANNELS])


def _part_of(shape: Any) -> Any:
    """Return the shape of what is resized of a picture of ``shape``: all, but for one that is far too long."""
    sides = tf.minimum(shape[:2], _LONGEST * tf.reduce_min(shape[:2]))
    return tf.concat([sides, shape[2:]], axis=0)


def _resize_shorter_side(pixels: Any, side: Any) -> Any:
    """Resize uint8 to float32 in [0, 255], the aspect ratio kept to the pixel (rounded)."""
    sides = tf.cast(tf.shape(pixels)[:2], tf.float32)
    scaled = tf.cast(tf.rint(sides * (tf.cast(side, tf.float32) / tf.reduce_min(sides))), tf.int32)
    image = tf.squeeze(tf.image.resize_bilinear(tf.expand_dims(pixels, 0), scaled, align_corners=False), [0])
    image.set_shape([None, None, decode.CHANNELS])
    return image


def scale(image: Any, use_grayscale: bool) -> Any:
    """Subtract the mean; a grey picture loses the luminance of the mean colour, grey being linear."""
    image = image - tf.constant(_MEAN_RGB, tf.float32)
    return decode.to_gray(image) if use_grayscale else image
