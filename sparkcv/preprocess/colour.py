"""Changing a picture's colours: float32 RGB ``[height, width, 3]`` in [0, 1], in and out; what leaves that is cut."""

from typing import Any

import tensorflow.compat.v1 as tf

__all__ = ["brightness", "channel_shift", "contrast", "gamma", "hue", "saturation"]


def brightness(image: Any, delta: Any) -> Any:
    """Add ``delta``, -1 to 1, to every value."""
    return _clip(image + delta)


def contrast(image: Any, factor: Any) -> Any:
    """Stretch each channel about its mean over the picture: ``(x - mean) * factor + mean``; 0 leaves one grey."""
    return _clip(tf.image.adjust_contrast(image, factor))


def saturation(image: Any, factor: Any) -> Any:
    """Multiply the saturation of hue, saturation and value; 0 leaves grey of each pixel's largest value."""
    return _clip(tf.image.adjust_saturation(image, factor))


def hue(image: Any, turns: Any) -> Any:
    """Turn the colour circle by ``turns``, -0.5 to 0.5; a third of a turn makes green of red."""
    return _clip(tf.image.adjust_hue(image, turns))


def gamma(image: Any, exponent: Any) -> Any:
    """Raise every value to a power: below 1 shadows become lighter, above 1 darker; 0 and 1 stay."""
    return tf.pow(_clip(image), exponent)


def channel_shift(image: Any, deltas: Any) -> Any:
    """Add ``[red, green, blue]``, -1 to 1 each, to the channels."""
    return _clip(image + deltas)


def _clip(image: Any) -> Any:
    return tf.clip_by_value(image, 0.0, 1.0)
