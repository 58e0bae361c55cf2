"""Handwriting that costs nothing: characters of this machine's fonts, distorted as by a hand, as GNT files of writers.

It stands in for CASIA-HWDB, which is not given to everyone. A writer has a font, a slant, a stretch and a pen; no two
of a writer's characters are bent alike. Held-out writers have a font that no other has, where there is more than one,
and bend their characters in another way.
"""

import dataclasses
import os
import pathlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from sparkcv.records import gnt

__all__ = ["Fonts", "Hand", "find_fonts", "look_apart", "write_set"]

_FOLDERS = (
    "/usr/share/fonts",
    "/usr/local/share/fonts",
    "~/.local/share/fonts",
    "~/.fonts",
    "/Library/Fonts",
    "/System/Library/Fonts",
)
_SUFFIXES = (".otf", ".ttc", ".ttf")
_EM, _CANVAS = 72, 92  # pixels of a font's size, and of the square that a character is drawn on
_COMMON_HANZI = "一中人"
_SMALL = 14  # of a font's size, to see what it has
_CELLS = 6  # a side of the grid whose corners are moved
_SHARED = 0.8  # of the best font's characters: another that has as many is used beside it
_APART = 0.1  # of two pictures' mean length: what differs less looks alike

Corners = npt.NDArray[np.float64]
Pixels = npt.NDArray[np.uint8]


@dataclasses.dataclass(frozen=True)
class Fonts:
    """Fonts that have ``characters`` in common: ``trained`` for most writers, ``held_out`` for the others."""

    trained: tuple[ImageFont.FreeTypeFont, ...]
    held_out: tuple[ImageFont.FreeTypeFont, ...]
    characters: tuple[str, ...]

    @property
    def names(self) -> str:
        """Say which they are."""
        return f"{_names(self.trained)}; of held-out writers {_names(self.held_out)}"


@dataclasses.dataclass(frozen=True)
class Hand:
    """How a writer writes: angles in degrees, the rest as shares of 1."""

    font: ImageFont.FreeTypeFont
    tilt: float
    slant: float
    width: float
    height: float
    blur: float
    weight: float
    ink: float
    bend: Callable[[np.random.Generator, Corners], Corners]

    @classmethod
    def draw(
        cls, rng: np.random.Generator, fonts: Sequence[ImageFont.FreeTypeFont], *, is_held_out: bool = False
    ) -> "Hand":
        """Return a new writer's."""
        return cls(
            font=fonts[int(rng.integers(len(fonts)))],
            tilt=rng.normal(0, 3),
            slant=rng.normal(0, 0.1),
            width=rng.uniform(0.85, 1.15),
            height=rng.uniform(0.85, 1.15),
            blur=rng.uniform(0.6, 1.6),
            weight=rng.uniform(0.25, 0.6),
            ink=rng.uniform(0, 110),
            bend=_wave if is_held_out else _bend,
        )


def find_fonts() -> Fonts:
    """Return the font of this machine that has the most characters of GBK, for held-out writers, and those as rich.

    Pillow's own is among them, which has no more than ASCII.
    """
    found = {}
    for path in _files():
        try:
            font = ImageFont.truetype(path, _EM)
            found[path] = (font, _characters(font))
        except (OSError, ValueError):  # no font, or one without a Unicode table
            continue
    own = ImageFont.load_default(_EM)
    if isinstance(own, ImageFont.FreeTypeFont):
        found[""] = (own, _characters(own))
    best = min(found, key=lambda path: (-len(found[path][1]), len(path), path))  # the plain face has the shortest name
    wanted = set(found[best][1])
    used = [path for path in found if len(wanted & set(found[path][1])) >= _SHARED * len(wanted)]
    common = wanted.intersection(*(found[path][1] for path in used))
    held_out = (found[best][0],)
    trained = tuple(found[path][0] for path in used if path != best) or held_out
    return Fonts(trained, held_out, tuple(c for c in found[best][1] if c in common))


def look_apart(fonts: Fonts, number: int, seed: int) -> tuple[str, ...]:
    """Return up to ``number`` characters, drawn by ``seed``, of which no two look alike in any of the fonts."""
    every = fonts.trained + tuple(font for font in fonts.held_out if font not in fonts.trained)
    shapes = {c: np.stack([_shape(font, c) for font in every]) for c in fonts.characters}
    kept: list[str] = []
    for character in np.random.default_rng(seed).permutation(np.array(fonts.characters)):
        mine = shapes[character]
        lengths = np.linalg.norm(mine, axis=1)
        others = (shapes[other] for other in kept)
        if all(
            (np.linalg.norm(mine - other, axis=1) > _APART * (lengths + np.linalg.norm(other, axis=1))).all()
            for other in others
        ):
            kept.append(str(character))
        if len(kept) == number:
            break
    return tuple(sorted(kept))


def write_set(folder: pathlib.Path, hands: Sequence[Hand], characters: Sequence[str], seed: int) -> int:
    """Write a GNT file a writer, of every character once, in an order of its own; return the number of samples."""
    folder.mkdir(parents=True)
    for index, hand in enumerate(hands):
        rng = np.random.default_rng((seed, index))
        with open(folder / f"writer-{index:03d}.gnt", "wb") as sink:
            for character in rng.permutation(np.array(characters)):
                sink.write(gnt.encode(str(character), write(hand, str(character), rng)))
    return len(hands) * len(characters)


def write(hand: Hand, character: str, rng: np.random.Generator) -> Pixels:
    """Return one character as this hand writes it now: uint8 ``[height, width]``, white is 255."""
    glyph = _glyph(hand.font, character)
    size = int(rng.uniform(60, 110) * hand.width), int(rng.uniform(60, 110) * hand.height)
    grid = np.linspace(-1, 1, _CELLS + 1)
    corners = np.stack(np.meshgrid(grid, grid), axis=-1)  # [row, column, (x, y)], where the picture takes its pixels
    moved = hand.bend(rng, _turned(hand, rng, corners))
    places = (moved + 1) * (_CANVAS / 2)
    xs, ys = (np.linspace(0, side, _CELLS + 1).astype(int) for side in size)
    mesh = [
        (
            (int(xs[column]), int(ys[row]), int(xs[column + 1]), int(ys[row + 1])),
            tuple(float(v) for at in ((0, 0), (1, 0), (1, 1), (0, 1)) for v in places[row + at[0], column + at[1]]),
        )
        for row in range(_CELLS)
        for column in range(_CELLS)
    ]
    bent = glyph.transform(size, Image.Transform.MESH, mesh, Image.Resampling.BILINEAR)
    soft = np.asarray(bent.filter(ImageFilter.GaussianBlur(hand.blur)), np.float32) / 255
    # A pen that is pressed harder leaves ink where the stroke is fainter.
    stroke = np.clip((soft - 0.5 * (1 - hand.weight)) * 3, 0, 1)
    ink = hand.ink + rng.normal(0, 12, stroke.shape)
    return (255 - stroke * (255 - ink)).clip(0, 255).astype(np.uint8)


def _turned(hand: Hand, rng: np.random.Generator, corners: Corners) -> Corners:
    """Turn, slant and move, a little otherwise each time."""
    angle, slant = np.radians(hand.tilt + rng.normal(0, 2)), hand.slant + rng.normal(0, 0.04)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) @ np.array([[1, slant], [0, 1]])
    return corners @ turn.T * rng.uniform(0.92, 1.08, 2) + rng.normal(0, 0.03, 2)


def _bend(rng: np.random.Generator, corners: Corners) -> Corners:
    """Move coarse points at random, and what lies between them with them."""
    coarse = rng.normal(0, 0.055, (4, 4, 2))
    fine = np.linspace(0, 3, corners.shape[0])
    rows = np.stack([[np.interp(fine, range(4), line[:, k]) for line in coarse] for k in (0, 1)], axis=-1)
    both = [[np.interp(fine, range(4), rows[:, j, k]) for j in range(len(fine))] for k in (0, 1)]
    return corners + np.transpose(np.array(both), (2, 1, 0))


def _wave(rng: np.random.Generator, corners: Corners) -> Corners:
    """Bend lines into waves, and make one side larger than the other: nothing that :func:`_bend` does."""
    phase, strength = rng.uniform(0, 2 * np.pi, 2), rng.uniform(-0.07, 0.07, 2)
    waved = corners + strength * np.sin(corners[..., ::-1] * rng.uniform(1.5, 3.5, 2) + phase)
    return waved * (1 + rng.uniform(-0.12, 0.12) * corners[..., :1] + rng.uniform(-0.12, 0.12) * corners[..., 1:])


def _glyph(font: ImageFont.FreeTypeFont, character: str) -> Image.Image:
    """Draw white on black, at its place in the font's square: an o is smaller than an O."""
    picture = Image.new("L", (_CANVAS, _CANVAS))
    place = (_CANVAS / 2, _CANVAS / 2 + 0.3 * _EM)
    ImageDraw.Draw(picture).text(place, character, fill=255, font=font, anchor="ms")
    return picture


def _shape(font: ImageFont.FreeTypeFont, character: str) -> npt.NDArray[np.float32]:
    soft = _glyph(font, character).filter(ImageFilter.GaussianBlur(3)).resize((28, 28), Image.Resampling.BOX)
    return np.asarray(soft, np.float32).ravel()


def _characters(font: ImageFont.FreeTypeFont) -> list[str]:
    """Return the characters of GBK that a font has, in order of their codes."""
    font = font.font_variant(size=_SMALL)
    none = font.getmask("\U0010ffff")
    absent = none.size, bytes(none)

    def is_there(character: str) -> bool:
        mask = font.getmask(character)
        return mask.getbbox() is not None and (mask.size, bytes(mask)) != absent

    has_hanzi = any(map(is_there, _COMMON_HANZI))  # which are 20,900 of 22,000
    return [c for c in _gbk() if (has_hanzi or not "\u4e00" <= c <= "\u9fff") and is_there(c)]


def _gbk() -> Iterator[str]:
    """Yield all but the lines and blocks that tables are drawn of: nobody writes those by hand."""
    codes = [bytes([code]) for code in range(0x21, 0x7F)]
    codes += [bytes([high, low]) for high in range(0x81, 0xFF) for low in range(0x40, 0xFF)]
    for code in codes:
        try:
            text = code.decode("gbk")
        except UnicodeDecodeError:  # a code that is not given
            continue
        if len(text) == 1 and text.isprintable() and not text.isspace() and not "\u2500" <= text <= "\u259f":
            yield text


def _files() -> list[str]:
    found = []
    for folder in _FOLDERS:
        for root, _, names in os.walk(os.path.expanduser(folder)):
            found += [os.path.join(root, name) for name in names if name.lower().endswith(_SUFFIXES)]
    return sorted(found)


def _names(fonts: Sequence[ImageFont.FreeTypeFont]) -> str:
    return ", ".join(sorted({" ".join(str(word) for word in font.getname()) for font in fonts}))
