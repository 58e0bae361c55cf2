"""Augmentations that are drawn by a seed: the same picture and the same two numbers give the same result, always.

Each takes float32 RGB ``[side, side, 3]`` in [0, 1] and returns the same; ``low`` and ``high`` are the range that its
value is drawn from, each value in it equally likely; ``seed`` is two whole numbers, Python's or int64 ``[2]``, such as
a run's seed and the number of a picture in it. They are stateless: nothing depends on threads, or on what ran before.
:func:`distort` draws several, and interpolates once for all that move pixels; alone each does the same as in there.
"""

from typing import Any

import tensorflow.compat.v1 as tf

from sparkcv.config.augment import KINDS, Augmentations
from sparkcv.preprocess import colour, geometry

__all__ = [
    "distort",
    "random_brightness",
    "random_channel_shift",
    "random_contrast",
    "random_crop",
    "random_flip_left_right",
    "random_flip_top_bottom",
    "random_gamma",
    "random_hue",
    "random_rot90",
    "random_rotation",
    "random_saturation",
    "random_shear",
    "random_shift",
    "random_transpose",
    "random_zoom",
]

_DRAWS = 4  # numbers for each kind, whether it is asked for or not: what others draw does not depend on it
_PLACE = {name: index * _DRAWS for index, name in enumerate(KINDS)}


def distort(image: Any, augmentations: Augmentations, seed: Any) -> Any:
    """Return the picture with all of ``augmentations`` drawn, in the order of :data:`sparkcv.config.augment.KINDS`.

    What moves pixels by an affine map - crop, zoom, shear, rotation, shift - is one map, and one interpolation.
    """
    if not augmentations.ranges:
        return image
    side = image.shape.as_list()[0]
    uniform = tf.random.stateless_uniform([len(KINDS) * _DRAWS], tf.cast(seed, tf.int64))
    with tf.name_scope("augment"):
        image = _mirrored(image, augmentations, uniform)
        matrix = None
        for name, make in _MAPS.items():
            if name in augmentations.ranges:
                at = _PLACE[name]
                made = make(_values(augmentations, uniform, name, 2), uniform[at + 2 : at + 4], side)
                matrix = made if matrix is None else tf.matmul(matrix, made)
        if matrix is not None:
            image = geometry.resample(image, matrix, augmentations.fill)
        for name, change in _COLOURS.items():
            if name in augmentations.ranges:
                image = change(image, _values(augmentations, uniform, name, 3))
        return image


# The first map is the last to be applied to an output pixel's place: the crop is cut out of the picture as it is.
_MAPS = {
    "crop": lambda values, places, side: geometry.crop(values[0], places, side),
    "zoom": lambda values, places, side: geometry.zoom(values[0], side),
    "shear": lambda values, places, side: geometry.shear(values[0], side),
    "rotation": lambda values, places, side: geometry.rotation(values[0], side),
    "shift": lambda values, places, side: geometry.shift(values, side),
}

_COLOURS = {
    "brightness": lambda image, values: colour.brightness(image, values[0]),
    "contrast": lambda image, values: colour.contrast(image, values[0]),
    "saturation": lambda image, values: colour.saturation(image, values[0]),
    "hue": lambda image, values: colour.hue(image, values[0]),
    "gamma": lambda image, values: colour.gamma(image, values[0]),
    "channel_shift": lambda image, values: colour.channel_shift(image, values),
}


def _values(augmentations: Augmentations, uniform: Any, name: str, count: int) -> Any:
    """Return ``count`` numbers of the range of ``name``."""
    low, high = augmentations.ranges[name]
    return low + (high - low) * uniform[_PLACE[name] : _PLACE[name] + count]


def _mirrored(image: Any, augmentations: Augmentations, uniform: Any) -> Any:
    def maybe(name: str, image: Any, change: Any) -> Any:
        if name not in augmentations.ranges:
            return image
        return tf.cond(uniform[_PLACE[name]] < augmentations.ranges[name][1], lambda: change(image), lambda: image)

    image = maybe("flip_left_right", image, geometry.flip_left_right)
    image = maybe("flip_top_bottom", image, geometry.flip_top_bottom)
    quarters = 1 + tf.cast(3.0 * uniform[_PLACE["rot90"] + 1], tf.int32)
    image = maybe("rot90", image, lambda image: geometry.quarter_turns(image, quarters))
    return maybe("transpose", image, geometry.transpose)


def _one(name: str, image: Any, low: float, high: float, seed: Any, fill: str = "reflect") -> Any:
    # Through the text, so that a range that cannot be is refused here as in a recipe.
    text = f"{name}={high}" if KINDS[name].is_chance else f"{name}={low}:{high}"
    return distort(image, Augmentations.parse(f"{text},fill={fill}", f"random_{name}"), seed)


def random_flip_left_right(image: Any, chance: float, seed: Any) -> Any:
    """Mirror left to right with ``chance``, 0 to 1: ``output[y, x] = image[y, side - 1 - x]``."""
    return _one("flip_left_right", image, 0, chance, seed)


def random_flip_top_bottom(image: Any, chance: float, seed: Any) -> Any:
    """Mirror top to bottom with ``chance``, 0 to 1: ``output[y, x] = image[side - 1 - y, x]``."""
    return _one("flip_top_bottom", image, 0, chance, seed)


def random_rot90(image: Any, chance: float, seed: Any) -> Any:
    """Turn by 90, 180 or 270 degrees, each as likely, with ``chance`` in all, 0 to 1; as ``numpy.rot90``."""
    return _one("rot90", image, 0, chance, seed)


def random_transpose(image: Any, chance: float, seed: Any) -> Any:
    """Mirror at the main diagonal with ``chance``, 0 to 1: ``output[y, x] = image[x, y]``."""
    return _one("transpose", image, 0, chance, seed)


def random_crop(image: Any, low: float, high: float, seed: Any) -> Any:
    """Cut out ``low`` to ``high`` (above 0, to 1) of both sides, anywhere, and enlarge it to the whole, bilinear."""
    return _one("crop", image, low, high, seed)


def random_zoom(image: Any, low: float, high: float, seed: Any, fill: str = "reflect") -> Any:
    """Enlarge by ``low`` to ``high``, 0.1 to 10, about the middle; below 1 it shrinks, and ``fill`` is what is around.

    ``fill`` here and below is one of ``reflect``, ``nearest``, ``black``: see :func:`geometry.resample`.
    """
    return _one("zoom", image, low, high, seed, fill)


def random_shear(image: Any, low: float, high: float, seed: Any, fill: str = "reflect") -> Any:
    """Let upright lines lean by ``low`` to ``high`` degrees, -80 to 80: ``x`` comes from ``x + tan(degrees) * y``."""
    return _one("shear", image, low, high, seed, fill)


def random_rotation(image: Any, low: float, high: float, seed: Any, fill: str = "reflect") -> Any:
    """Turn by ``low`` to ``high`` degrees, -180 to 180, about the middle, against the clock, as Pillow's ``rotate``."""
    return _one("rotation", image, low, high, seed, fill)


def random_shift(image: Any, low: float, high: float, seed: Any, fill: str = "reflect") -> Any:
    """Move by ``low`` to ``high`` of the side, -1 to 1, drawn to the right and downwards each; not to whole pixels."""
    return _one("shift", image, low, high, seed, fill)


def random_brightness(image: Any, low: float, high: float, seed: Any) -> Any:
    """Add ``low`` to ``high``, -1 to 1, to every value: ``x + d``."""
    return _one("brightness", image, low, high, seed)


def random_contrast(image: Any, low: float, high: float, seed: Any) -> Any:
    """Stretch each channel about its mean by ``low`` to ``high``, 0 to 10: ``(x - mean) * f + mean``."""
    return _one("contrast", image, low, high, seed)


def random_saturation(image: Any, low: float, high: float, seed: Any) -> Any:
    """Multiply the saturation by ``low`` to ``high``, 0 to 10: ``S * f`` of hue, saturation and value."""
    return _one("saturation", image, low, high, seed)


def random_hue(image: Any, low: float, high: float, seed: Any) -> Any:
    """Turn the hue by ``low`` to ``high``, -0.5 to 0.5 of the circle: ``H + t`` of hue, saturation and value."""
    return _one("hue", image, low, high, seed)


def random_gamma(image: Any, low: float, high: float, seed: Any) -> Any:
    """Raise each value to the power of ``low`` to ``high``, 0.1 to 10: ``x ** g``."""
    return _one("gamma", image, low, high, seed)


def random_channel_shift(image: Any, low: float, high: float, seed: Any) -> Any:
    """Add ``low`` to ``high``, -1 to 1, drawn for red, green and blue each: ``x[c] + d[c]``."""
    return _one("channel_shift", image, low, high, seed)
