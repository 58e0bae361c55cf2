"""Drawing a contact sheet: sections with a heading, rows of pictures with words beside them and below each."""

import dataclasses

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

__all__ = ["Row", "Section", "draw", "scene"]

TILE, GAP, MARGIN, WORDS, CAPTION = 136, 10, 28, 236, 20
_BACK, _CARD, _BRIGHT, _DIM, _ACCENT = (24, 26, 31), (36, 39, 46), (236, 238, 242), (150, 156, 168), (255, 184, 84)


@dataclasses.dataclass(frozen=True)
class Row:
    """Pictures, uint8 ``[height, width, 3]``, with a caption each, right of a name and some lines on it."""

    name: str
    lines: tuple[str, ...]
    tiles: tuple[tuple[str, NDArray[np.uint8]], ...]


@dataclasses.dataclass(frozen=True)
class Section:
    """A heading, a line below it, and rows."""

    title: str
    line: str
    rows: tuple[Row, ...]


def draw(title: str, line: str, sections: list[Section]) -> Image.Image:
    """Return the sheet."""
    columns = max(len(row.tiles) for section in sections for row in section.rows)
    width = 2 * MARGIN + WORDS + columns * (TILE + GAP)
    row_height = TILE + CAPTION + GAP
    height = 130 + sum(90 + len(section.rows) * row_height for section in sections)
    sheet = Image.new("RGB", (width, height), _BACK)
    pen, y = ImageDraw.Draw(sheet), MARGIN
    pen.text((MARGIN, y), title, _BRIGHT, _font(38))
    pen.text((MARGIN, y + 52), line, _DIM, _font(17))
    y += 102
    for section in sections:
        pen.line((MARGIN, y, width - MARGIN, y), (60, 64, 74))
        pen.text((MARGIN, y + 14), section.title, _ACCENT, _font(25))
        pen.text((MARGIN, y + 48), section.line, _DIM, _font(15))
        y += 84
        for row in section.rows:
            _draw_row(sheet, pen, row, y)
            y += row_height
    return sheet


def _draw_row(sheet: Image.Image, pen: ImageDraw.ImageDraw, row: Row, y: int) -> None:
    pen.text((MARGIN, y + 12), row.name, _BRIGHT, _font(19))
    for index, line in enumerate(row.lines):
        pen.text((MARGIN, y + 42 + 21 * index), line, _ACCENT if index == 0 else _DIM, _font(14))
    for index, (caption, pixels) in enumerate(row.tiles):
        left = MARGIN + WORDS + index * (TILE + GAP)
        pen.rounded_rectangle((left, y, left + TILE, y + TILE + CAPTION), 6, _CARD)
        small = Image.fromarray(pixels)
        scale = (TILE - 6) / max(small.size)
        method = Image.Resampling.NEAREST if scale > 2 else Image.Resampling.LANCZOS
        small = small.resize((max(1, round(small.width * scale)), max(1, round(small.height * scale))), method)
        sheet.paste(small, (left + (TILE - small.width) // 2, y + 3 + (TILE - 6 - small.height) // 2))
        pen.text((left + TILE / 2, y + TILE + 8), caption, _BRIGHT, _font(13), anchor="mm")


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def scene(side: int = 480) -> Image.Image:
    """Return a drawn landscape for who has no photograph at hand: a sky, a sun, hills, a house, flowers, some grain."""
    y, x = np.mgrid[0:side, 0:side] / side
    sky = np.stack([0.35 + 0.6 * y, 0.6 + 0.3 * y, 0.95 - 0.25 * y], axis=-1)
    glow = np.exp(-((x - 0.74) ** 2 + (y - 0.24) ** 2) / 0.02)[..., None]
    pixels = sky + glow * [0.8, 0.55, 0.1]
    for height, wave, colour in (
        (0.5, 5.0, (0.38, 0.5, 0.6)),
        (0.58, 8.0, (0.3, 0.52, 0.36)),
        (0.7, 3.0, (0.4, 0.66, 0.26)),
    ):
        hill = height + 0.06 * np.sin(wave * x + 9 * height) + 0.015 * np.sin(31 * x * wave)
        shade = np.clip(1.15 - 1.1 * (y - hill), 0.5, 1.1)[..., None]
        pixels = np.where((y > hill)[..., None], shade * colour, pixels)
    grain = np.random.default_rng(4).normal(0, 0.025, pixels.shape)
    picture = Image.fromarray(np.uint8(np.clip(pixels + grain, 0, 1) * 255))
    pen = ImageDraw.Draw(picture)

    def at(*points: tuple[float, float]) -> list[tuple[float, float]]:
        return [(a * side, b * side) for a, b in points]

    pen.rectangle(at((0.16, 0.56), (0.42, 0.78)), (238, 226, 204))
    pen.polygon(at((0.12, 0.57), (0.29, 0.41), (0.46, 0.57)), (176, 62, 48))
    pen.rectangle(at((0.26, 0.65), (0.33, 0.78)), (96, 62, 44))
    for left in (0.18, 0.36):
        pen.rectangle(at((left, 0.62), (left + 0.05, 0.68)), (92, 140, 190), (70, 60, 60), 2)
    pen.ellipse(at((0.69, 0.19), (0.79, 0.29)), (255, 240, 170))
    random = np.random.default_rng(8)
    for a, b in random.uniform((0.03, 0.8), (0.97, 0.97), (60, 2)):
        colour = [(235, 60, 70), (250, 210, 60), (245, 245, 250), (170, 80, 200)][int(random.integers(4))]
        radius = 0.006 + 0.016 * (b - 0.78)
        pen.ellipse(at((a - radius, b - radius), (a + radius, b + radius)), colour)
    return picture
