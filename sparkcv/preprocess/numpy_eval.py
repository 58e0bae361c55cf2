"""The evaluation's preprocessing on pixels in numpy: what ``for_eval`` makes, in a process without TensorFlow.

Each family is said again as its module says it, operation by operation in float32: values differ by roundings, in
the last bit, or in the sixth digit where TensorFlow sums in single precision (CifarNet's mean, the antialiased square).
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparkcv import preprocess
from sparkcv.config.normalization import WHITENINGS
from sparkcv.preprocess.normalization import OWN_RANGE, Normalization

__all__ = ["for_eval", "turn"]

_CENTRAL_FRACTION = 0.875
_MEAN_RGB = np.array([123.68, 116.78, 103.94], np.float32)
_MIN_SIDE = 256
_LONGEST = 16
_LUMINANCE = np.array([0.2989, 0.5870, 0.1140], np.float32)

Floats = NDArray[np.float32]


def for_eval(
    name: str,
    pixels: NDArray[np.uint8],
    size: int,
    *,
    use_grayscale: bool = False,
    normalization: Normalization = OWN_RANGE,
) -> Floats:
    """Crop and scale an upright picture as :meth:`sparkcv.preprocess.Preprocessing.for_eval` does.

    ``pixels`` is uint8 ``[height, width, 3]``; returns float32 ``[size, size, 3]``, or 1 channel with
    ``use_grayscale``. Raises UsageError for a name or a size that cannot work.
    """
    family = preprocess.get(name)
    family.check_image_size(size)
    if normalization.is_own:
        return np.ascontiguousarray(_FAMILIES[family.name](pixels, size, use_grayscale), np.float32)
    image = _PIXELS[family.name](pixels, size) * np.float32(1.0 / 255.0)
    return np.ascontiguousarray(_normalize(_to_gray(image) if use_grayscale else image, normalization), np.float32)


def turn(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Turn and mirror ``[height, width, 3]`` as its EXIF orientation says; other numbers than 2 to 8 turn nothing."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels


def _inception(pixels: NDArray[np.uint8], size: int, use_grayscale: bool) -> Floats:
    image = _window(pixels, size) * np.float32(1.0 / 255.0)
    if use_grayscale:
        image = _to_gray(image)
    return (image - np.float32(0.5)) * np.float32(2.0)


def _window(pixels: NDArray[np.uint8], size: int) -> Floats:
    """Return the middle of both sides, resized: 0 to 255."""
    top, left = (int((side - side * _CENTRAL_FRACTION) / 2.0) for side in pixels.shape[:2])
    return _resize(pixels[top : pixels.shape[0] - top, left : pixels.shape[1] - left], size, size)


def _inception_square(pixels: NDArray[np.uint8], size: int, use_grayscale: bool) -> Floats:
    image = _square(pixels, size) * np.float32(2.0 / 255.0) - np.float32(1.0)
    return _to_gray(image) if use_grayscale else image


def _square(pixels: NDArray[np.uint8], size: int) -> Floats:
    """Return the middle square, shrunk: 0 to 255."""
    height, width = pixels.shape[:2]
    side = max(1, int(min(height, width) * _CENTRAL_FRACTION))
    top, left = (height - side) // 2, (width - side) // 2
    return _shrink(pixels[top : top + side, left : left + side], size)


def _charnet(pixels: NDArray[np.uint8], size: int, use_grayscale: bool) -> Floats:
    if use_grayscale:  # before it is resized, and rounded to a byte as TensorFlow's rgb_to_grayscale does
        grey = _to_gray(pixels.astype(np.float32) * np.float32(1.0 / 255.0))
        pixels = (grey * np.float32(255.5)).astype(np.uint8)
    return np.float32(1.0) - _shrink(pixels, size) * np.float32(1.0 / 255.0)


def _shrink(pixels: NDArray[np.uint8], size: int) -> Floats:
    """Return the whole of ``[height, width, channels]`` as a square, antialiased: 0 to 255."""
    rows, columns = (_antialiased(side, size) for side in pixels.shape[:2])
    return np.einsum("ya,xb,abc->yxc", rows, columns, pixels.astype(np.float32), optimize=True)


def _vgg(pixels: NDArray[np.uint8], size: int, use_grayscale: bool) -> Floats:
    image = _scaled(pixels, size) - _MEAN_RGB
    return _to_gray(image) if use_grayscale else image


def _scaled(pixels: NDArray[np.uint8], size: int) -> Floats:
    """Return the middle square of the picture whose shorter side was resized: 0 to 255."""
    most = _LONGEST * min(pixels.shape[:2])
    top, left = (max(0, side - most) // 2 for side in pixels.shape[:2])
    pixels = pixels[top : top + most, left : left + most]
    sides = np.array(pixels.shape[:2], np.float32)
    height, width = np.rint(sides * (np.float32(_MIN_SIDE) / sides.min())).astype(int)
    window = (height - size) // 2, (width - size) // 2
    return _resize(pixels, height, width, window, size)


def _lenet(pixels: NDArray[np.uint8], size: int, use_grayscale: bool) -> Floats:
    return (_middle(pixels, size, use_grayscale) - np.float32(128.0)) / np.float32(128.0)


def _cifarnet(pixels: NDArray[np.uint8], size: int, use_grayscale: bool) -> Floats:
    return _standardized(_middle(pixels, size, use_grayscale))


def _standardized(image: Floats) -> Floats:
    deviation = max(float(image.std(dtype=np.float64)), 1.0 / math.sqrt(image.size))
    return ((image - np.float32(image.mean(dtype=np.float64))) / np.float32(deviation)).astype(np.float32)


def _middle(pixels: NDArray[np.uint8], size: int, use_grayscale: bool = False) -> Floats:
    """Return the middle square as floats, cropped, or padded with black."""
    height, width = pixels.shape[:2]
    top, left = max(0, (height - size) // 2), max(0, (width - size) // 2)
    image = pixels[top : top + size, left : left + size].astype(np.float32)
    if use_grayscale:
        image = _to_gray(image)
    above, before = max(0, (size - height) // 2), max(0, (size - width) // 2)
    below, behind = size - above - image.shape[0], size - before - image.shape[1]
    return np.pad(image, ((above, below), (before, behind), (0, 0)))


_FAMILIES: dict[str, Callable[[NDArray[np.uint8], int, bool], Floats]] = {
    "charnet": _charnet,
    "cifarnet": _cifarnet,
    "inception": _inception,
    "inception_square": _inception_square,
    "lenet": _lenet,
    "vgg": _vgg,
}
# What each scales, in colour, from 0 to 255: the ``eval_pixels`` of its module.
_PIXELS: dict[str, Callable[[NDArray[np.uint8], int], Floats]] = {
    "charnet": _shrink,
    "cifarnet": _middle,
    "inception": _window,
    "inception_square": _square,
    "lenet": _middle,
    "vgg": _scaled,
}


def _normalize(image: Floats, normalization: Normalization) -> Floats:
    """Return pixels of [0, 1] as ``preprocess.normalize`` does."""
    kind, statistics = normalization.kind, normalization.statistics
    if kind == "per_image":
        return _standardized(image)
    if statistics is None:
        return image  # rescale: no other kind goes without
    if kind in WHITENINGS:
        row = np.asarray((image.reshape(1, -1) - statistics.center) @ statistics.matrix, np.float32)
        return row.reshape(image.shape)
    image = image - statistics.mean
    return image * np.reciprocal(statistics.deviation) if kind == "feature_wise" else image


def _to_gray(image: Floats) -> Floats:
    return (image @ _LUMINANCE)[..., None]


def _resize(
    pixels: NDArray[np.uint8], height: int, width: int, window: tuple[int, int] = (0, 0), size: int = 0
) -> Floats:
    """Resize bilinearly on TF 1's grid, without half pixels; with ``size`` only a square of the result, at ``window``.

    Rows are resized first, each once, however many rows of the result it is mixed into.
    """
    rows, columns = (slice(at, at + size if size else None) for at in window)
    above, below, y = _taps(pixels.shape[0], height, rows)
    before, behind, x = _taps(pixels.shape[1], width, columns)
    needed, where = np.unique(np.concatenate([above, below]), return_inverse=True)
    taken = pixels[needed]
    left = np.take(taken, before, 1).astype(np.float32)
    right = np.take(taken, behind, 1).astype(np.float32)
    right -= left
    right *= x[None, :, None]
    left += right
    upper = left[where[: len(above)]]
    lower = left[where[len(above) :]]
    lower -= upper
    lower *= y[:, None, None]
    upper += lower
    return upper


def _taps(side: int, size: int, part: slice) -> tuple[NDArray[np.intp], NDArray[np.intp], Floats]:
    """Return for each pixel of one side of the result its two neighbours, and how far it lies towards the second."""
    at = (np.arange(size, dtype=np.float32) * (np.float32(side) / np.float32(size)))[part]
    floor = np.floor(at)
    first = floor.astype(np.intp)
    return first, np.minimum(first + 1, side - 1), at - floor


def _antialiased(side: int, size: int) -> Floats:
    """Return ``[size, side]``: the share of each pixel in each of the result, a triangle as wide as a step."""
    step = np.float32(1) / (np.float32(size) / np.float32(side))  # rounded twice, as TensorFlow's
    middle = (np.arange(size, dtype=np.float32) + np.float32(0.5)) * step
    away = np.abs(np.arange(side, dtype=np.float32)[None, :] + np.float32(0.5) - middle[:, None])
    shares = np.maximum(np.float32(0), np.float32(1) - away * (np.float32(1) / max(step, np.float32(1))))
    return (shares / shares.sum(1, keepdims=True)).astype(np.float32)
