"""Where to cut a picture, and how to distort its colours: what the families of preprocessing share.

Values are those of TF-Slim's ``inception_preprocessing.py`` in its fast mode, which is slim's default: brightness and
saturation in this order; hue, contrast and the other orders belong to the slow mode, which halves the throughput.
"""

from typing import Any

import tensorflow.compat.v1 as tf

__all__ = ["MIN_CROP_AREA", "central_window", "distort_color", "op_seed", "random_flip", "random_window"]

MIN_CROP_AREA = 0.05
"""Smallest share of the picture that slim's random window keeps."""

_MIN_OBJECT_COVERED = 0.1
_ASPECT_RATIO_RANGE = (0.75, 1.33)
_MAX_ATTEMPTS = 100
_MAX_BRIGHTNESS_DELTA = 32.0 / 255.0
_SATURATION_RANGE = (0.5, 1.5)


def op_seed(seed: int | None, which: int) -> int | None:
    """Return the seed of the ``which``-th random operation of one picture; None stays None.

    Operations with one common seed would draw the same numbers: bright pictures would always be flipped, say.
    """
    return None if seed is None else (seed * 1_000_003 + which) % 2**31


def random_window(shape: Any, seed: int | None = None, min_area: float = MIN_CROP_AREA) -> Any:
    """Return a window of ``min_area`` (a share) to all of the picture's area and an aspect ratio of 0.75 to 1.33.

    ``shape`` is int32 ``[height, width, channels]``; returns int32 ``[top, left, height, width]``. After 100 vain
    attempts it is the whole picture.
    """
    whole = tf.constant([[[0.0, 0.0, 1.0, 1.0]]], tf.float32)
    begin, size, _ = tf.image.sample_distorted_bounding_box(
        shape,
        bounding_boxes=whole,
        min_object_covered=_MIN_OBJECT_COVERED,
        aspect_ratio_range=_ASPECT_RATIO_RANGE,
        area_range=(min_area, 1.0),
        max_attempts=_MAX_ATTEMPTS,
        use_image_if_no_bounding_boxes=True,
        seed=op_seed(seed, 0),
    )
    return tf.concat([begin[:2], size[:2]], axis=0)


def central_window(shape: Any, fraction: float) -> Any:
    """Return the middle ``fraction`` (0 to 1) of both sides, rounded outwards as ``tf.image.central_crop`` does.

    Argument and result are as in ``random_window``.
    """
    sides = tf.cast(shape[:2], tf.float64)
    begin = tf.cast((sides - sides * fraction) / 2.0, tf.int32)
    return tf.concat([begin, shape[:2] - 2 * begin], axis=0)


def central_square(shape: Any, fraction: float) -> Any:
    """Return the middle square whose side is ``fraction`` (0 to 1) of the shorter one, 1 pixel at least.

    Argument and result are as in ``random_window``.
    """
    side = tf.cast(tf.cast(tf.reduce_min(shape[:2]), tf.float64) * fraction, tf.int32)
    side = tf.maximum(side, 1)
    return tf.concat([(shape[:2] - side) // 2, [side, side]], axis=0)


def random_flip(image: Any, seed: int | None = None) -> Any:
    """Mirror ``[height, width, channels]`` left to right in half of the cases."""
    return tf.image.random_flip_left_right(image, seed=op_seed(seed, 1))


def distort_color(image: Any, seed: int | None = None) -> Any:
    """Shift the brightness by up to 32/255 and scale the saturation by 0.5 to 1.5; float RGB in and out of [0, 1]."""
    image = tf.image.random_brightness(image, max_delta=_MAX_BRIGHTNESS_DELTA, seed=op_seed(seed, 2))
    image = tf.image.random_saturation(image, *_SATURATION_RANGE, seed=op_seed(seed, 3))
    return tf.clip_by_value(image, 0.0, 1.0)
