"""Drawn figures that cost nothing, with captions: one shape of :mod:`sparkcv.scenes` in the middle of a plain picture.

They are what pictures are made of from captions in minutes on a CPU: one colour and one shape, which a classifier of
the same figures can judge.
"""

import dataclasses
import os
import pathlib
import zlib

import numpy as np
from PIL import Image

from sparkcv import scenes, synthetic
from sparkcv.scenes import COLORS, SHAPES, Group

__all__ = ["COMBINATIONS", "DrawnFigure", "draw_figure", "make_figure", "write_figures"]

_WORDS = 6  # the words that scenes hold out are held out here too
COMBINATIONS = tuple((color, shape) for color in tuple(COLORS)[:_WORDS] for shape in SHAPES[:_WORDS])
"""Colour and shape of every figure that is drawn."""

_SUPERSAMPLING = 3
_RADII = {"small": 0.24, "large": 0.36}  # shares of the side: at 32 pixels a smaller star is a blot


@dataclasses.dataclass(frozen=True)
class DrawnFigure:
    """A figure by its words."""

    size: str
    color: str
    shape: str

    def captions(self) -> tuple[str, str]:
        """Return the two sentences that are true of it."""
        return f"a {self.size} {self.color} {self.shape}", f"a {self.color} {self.shape} that is {self.size}"


def make_figure(seed: int, part: str | None = scenes.SEEN, *, split_seed: int = 0) -> DrawnFigure:
    """Return the figure of a seed: of combinations that are seen, of those held out, or with None of all.

    Raises ValueError for a part that there is not.
    """
    if part not in (scenes.SEEN, scenes.UNSEEN_COMBINATIONS, None):
        raise ValueError(f"got the part {part!r}, wanted {scenes.SEEN} or {scenes.UNSEEN_COMBINATIONS}, or None")
    rng = np.random.default_rng((seed, zlib.crc32((part or "all").encode())))
    kept_out = scenes.held_out(split_seed)
    drawn = [each for each in COMBINATIONS if part is None or (each in kept_out) == (part != scenes.SEEN)]
    return DrawnFigure(tuple(_RADII)[rng.integers(len(_RADII))], *drawn[rng.integers(len(drawn))])


def draw_figure(figure: DrawnFigure, seed: int, size: int) -> Image.Image:
    """Draw an RGB picture of ``size`` x ``size`` pixels: equal figures, seeds and sizes give equal pictures."""
    rng = np.random.default_rng((seed, 13))
    side = size * _SUPERSAMPLING
    red, green, blue = (int(value) for value in (rng.uniform(25, 110) + rng.uniform(-12, 12, 3)).clip(0, 255))
    canvas = Image.new("RGB", (side, side), (red, green, blue))
    x, y = 0.5 + rng.uniform(-0.05, 0.05, 2)
    radius = _RADII[figure.size] * rng.uniform(0.9, 1.1)
    scenes.draw_shape(canvas, Group(1, figure.size, figure.color, figure.shape), x * side, y * side, radius * side)
    picture = canvas.resize((size, size), Image.Resampling.BOX)
    pixels = np.asarray(picture, np.float32) + rng.normal(0, rng.uniform(1, 3), (size, size, 3))
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def write_figures(
    directory: str | os.PathLike[str], number: int, seed: int, *, size: int = 32, part: str | None = scenes.SEEN,
    by_class: bool = False,
) -> list[DrawnFigure]:  # fmt: skip
    """Write PNGs and ``captions.csv``, a row ``path,caption`` for each sentence; return the figures in order.

    With ``by_class`` each lies in a folder named by its colour and shape, and there are no captions. Equal arguments
    give equal files.
    """
    root, figures, rows = pathlib.Path(directory), [], ["path,caption\n"]
    for index in range(number):
        own = int(np.random.SeedSequence((seed, index)).generate_state(1)[0])
        figure = make_figure(own, part)
        folder = root / f"{figure.color} {figure.shape}" if by_class else root
        folder.mkdir(parents=True, exist_ok=True)
        name = f"figure-{index:05d}.png"
        (folder / name).write_bytes(synthetic.encode(draw_figure(figure, own, size), "png"))
        rows += [f"{name},{caption}\n" for caption in figure.captions()]
        figures.append(figure)
    if not by_class:
        (root / "captions.csv").write_text("".join(rows), "utf-8")
    return figures
