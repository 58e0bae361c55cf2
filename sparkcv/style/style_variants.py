"""A style picture turned and scaled: more patches to choose from, where the content has lines of other directions."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sparkcv.style import colors

__all__ = ["sizes", "variants"]

Floats = NDArray[np.float32]


def variants(style: Floats, rotations: Sequence[float], scales: Sequence[float], least_side: int) -> Iterator[Floats]:
    """Give ``style``, 0 to 255, at each scale and turned by each angle in degrees, without what lies outside of it.

    Those with a side below ``least_side`` are left out.
    """
    for scale in scales:
        width, height = (max(1, round(side * scale)) for side in (style.shape[1], style.shape[0]))
        resized = Image.fromarray(colors.levels(style)).resize((width, height))
        for angle in rotations:
            inner = _inside(width, height, angle)
            if min(inner) < least_side:
                continue
            turned = resized.rotate(angle, Image.Resampling.BICUBIC, expand=True)
            left, top = (turned.width - inner[0]) // 2, (turned.height - inner[1]) // 2
            cut = turned.crop((left, top, left + inner[0], top + inner[1]))
            yield np.asarray(cut).astype(np.float32)


def sizes(width: int, height: int, rotations: Sequence[float], scales: Sequence[float]) -> list[tuple[int, int]]:
    """Return width and height of each of the variants of a picture, also of those that are too small."""
    scaled = [(max(1, round(width * scale)), max(1, round(height * scale))) for scale in scales]
    return [_inside(*size, angle) for size in scaled for angle in rotations]


def _inside(width: int, height: int, angle: float) -> tuple[int, int]:
    """Return width and height of the largest upright rectangle in a picture that is turned by ``angle`` degrees."""
    turned = math.radians(angle)
    sine, cosine = round(abs(math.sin(turned)), 12), round(abs(math.cos(turned)), 12)
    long, short = max(width, height), min(width, height)
    if short <= 2 * sine * cosine * long or sine == cosine:  # two of its corners touch the long sides, halfway
        along, across = (short / 2 / sine, short / 2 / cosine)
        inner = (along, across) if width >= height else (across, along)
    else:
        wide = cosine**2 - sine**2
        inner = (width * cosine - height * sine) / wide, (height * cosine - width * sine) / wide
    return int(inner[0] + 1e-6), int(inner[1] + 1e-6)
