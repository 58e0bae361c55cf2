"""Brightness and colours of a picture, apart: to keep the colours of one and take the brightness of another.

Gatys et al. 2016, https://arxiv.org/abs/1606.05897; the brightness is that of Rec. 601.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["gray", "less", "levels", "matched", "with_colors_of"]

Floats = NDArray[np.float32]
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def less(image: Floats, pixel: NDArray[np.float64]) -> Floats:
    """Return ``image`` less ``pixel``, rounded once: a mean pixel of float32 would be another number."""
    return np.subtract(image, pixel, out=np.empty_like(image), dtype=np.float64, casting="same_kind")


def levels(pixels: Floats) -> NDArray[np.uint8]:
    """Return pixels as whole levels of 0 to 255, cut off below."""
    return np.clip(pixels, 0, 255).astype(np.uint8)


def gray(pixels: Floats) -> Floats:
    """Return the brightness of ``[height, width, 3]``, three times the same channel."""
    return np.repeat((pixels @ _LUMA)[..., None], 3, axis=2)


def matched(pixels: Floats, wanted: Floats) -> Floats:
    """Return ``pixels`` with the mean and the standard deviation of ``wanted``."""
    factor = wanted.std() / max(float(pixels.std()), 1e-6)
    return ((pixels - pixels.mean()) * factor + wanted.mean()).astype(np.float32)


def with_colors_of(pixels: NDArray[np.uint8], colored: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the brightness of ``pixels`` with the colours of ``colored``, both uint8 ``[height, width, 3]``."""
    bright = levels(gray(pixels.astype(np.float32)))
    luma = Image.fromarray(bright).convert("YCbCr").getchannel(0)
    _, blue, red = Image.fromarray(colored).convert("YCbCr").split()
    return np.asarray(Image.merge("YCbCr", (luma, blue, red)).convert("RGB"))
