"""Many small pictures as one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["grid"]

_GAP = 2
_LEAST = 64


def grid(pictures: Sequence[NDArray[np.uint8]], columns: int) -> Image.Image:
    """Return RGB pictures of one size row by row, on white; those below 64 pixels are shown larger, as they are.

    A line has ``columns`` pictures, or all where they are fewer.
    """
    columns = min(columns, len(pictures))
    size = pictures[0].shape[0]
    times = max(1, _LEAST // size)
    side = size * times
    rows = -(-len(pictures) // columns)
    whole = Image.new("RGB", (columns * (side + _GAP) - _GAP, rows * (side + _GAP) - _GAP), "white")
    for number, pixels in enumerate(pictures):
        picture = Image.fromarray(pixels).resize((side, side), Image.Resampling.NEAREST)
        whole.paste(picture, (number % columns * (side + _GAP), number // columns * (side + _GAP)))
    return whole
