"""A large picture as tiles: each with as much around it as VGG-19 sees, so that its own values are the whole's.

Tiles begin and end at multiples of what the deepest layer's values stand for, so that the poolings of a tile fall where
those of the whole picture fall; at the picture's own edges both have the same padding.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

__all__ = ["ALIGNMENT", "Tile", "halo", "tiles"]

ALIGNMENT = 16


@dataclasses.dataclass(frozen=True)
class Tile:
    """Pixels ``top:bottom, left:right`` to look at, of which ``own`` counts (the same four, within the tile)."""

    top: int
    bottom: int
    left: int
    right: int
    own: tuple[int, int, int, int]

    def own_at(self, stride: int) -> tuple[slice, slice]:
        """Return where the tile's own values of a layer of ``stride`` lie in the whole picture's."""
        top, bottom, left, right = self.own
        return (
            slice((self.top + top) // stride, -(-(self.top + bottom) // stride)),
            slice((self.left + left) // stride, -(-(self.left + right) // stride)),
        )


def halo(layers: Sequence[str]) -> int:
    """Return how far from a value of these layers the pixels lie that it depends on, at most, rounded up.

    A convolution sees one more value of its own stride on each side; poolings see none beyond their own.
    """
    convolutions = (2, 2, 4, 4, 4)
    far = 0
    for layer in layers:
        block, number = int(layer[4]), int(layer[6])
        counts = [*convolutions[: block - 1], number]
        far = max(far, sum(count * 2**index for index, count in enumerate(counts)))
    return -(-far // ALIGNMENT) * ALIGNMENT


def tiles(height: int, width: int, size: int, around: int) -> Iterator[Tile]:
    """Cut a picture into tiles of ``size`` pixels a side, a multiple of 16, with ``around`` more on each side."""
    for top in range(0, height, size):
        for left in range(0, width, size):
            bottom, right = min(top + size, height), min(left + size, width)
            first, start = max(0, top - around), max(0, left - around)
            yield Tile(
                first,
                min(height, bottom + around),
                start,
                min(width, right + around),
                (top - first, bottom - first, left - start, right - start),
            )
