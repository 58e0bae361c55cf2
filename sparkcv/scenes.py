"""Drawn scenes that cost nothing, with captions: two to four shapes whose colour, size and place a sentence tells.

A scene is two groups of one or two equal shapes, and how the first lies to the second. Its captions are sentences of
one small grammar, so that :func:`read_caption` gets the attributes back from any sentence of it, and can judge one
that a net made. Combinations of colour and shape, and two words, are left out of what :data:`SEEN` draws.
"""

import dataclasses
import os
import pathlib
import re
import zlib

import numpy as np
from PIL import Image, ImageDraw

from sparkcv import synthetic

COLORS = {
    "red": (214, 40, 40),
    "green": (44, 160, 60),
    "blue": (40, 80, 214),
    "yellow": (240, 208, 40),
    "purple": (140, 50, 170),
    "white": (245, 245, 245),
    "orange": (245, 130, 30),
}
"""Colours by their word; the last one is a word that is held out."""

SHAPES = ("circle", "cross", "ring", "square", "star", "triangle", "heart")
"""Words of the shapes; the last one is held out."""

SIZES = {"small": 0.085, "large": 0.17}
"""Radius by the word for it, as a share of the picture's side."""

RELATIONS = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}
"""How the first group lies to the second, with what the second is to the first."""

SEEN, UNSEEN_COMBINATIONS, UNSEEN_WORDS = PARTS = ("seen", "unseen_combinations", "unseen_words")
"""What is drawn: to train on, with a combination that the first never has, and with a word that it never has."""

_NUMBERS = {"a": 1, "two": 2}
_SUPERSAMPLING = 3
_SOME = len(SHAPES) - 1
_GROUP = re.compile(rf"\b(a|two) (small|large) ({'|'.join(COLORS)}) ({'|'.join(SHAPES)})(e?s)?\b")
_SENTENCE = re.compile(rf"(.+) ({'|'.join(RELATIONS)}) (.+)")


@dataclasses.dataclass(frozen=True)
class Group:
    """One shape, or two equal ones: ``number`` is 1 or 2, the rest are words of the grammar."""

    number: int
    size: str
    color: str
    shape: str

    def __str__(self) -> str:
        if self.number == 1:
            return f"a {self.size} {self.color} {self.shape}"
        return f"two {self.size} {self.color} {self.shape}{'es' if self.shape == 'cross' else 's'}"


@dataclasses.dataclass(frozen=True)
class Scene:
    """Two groups, and how the first lies to the second: one of :data:`RELATIONS`."""

    first: Group
    relation: str
    second: Group

    def turned(self) -> "Scene":
        """Return the same scene, told from its second group."""
        return Scene(self.second, RELATIONS[self.relation], self.first)

    def captions(self) -> tuple[str, str]:
        """Return the two sentences that are true of it; the first names what lies left, or above, first."""
        ordered = self if self.relation in ("left of", "above") else self.turned()
        return str(ordered), str(ordered.turned())

    def __str__(self) -> str:
        return f"{self.first} {self.relation} {self.second}"


@dataclasses.dataclass(frozen=True)
class CaptionAgreement:
    """How many of a scene's attributes a sentence has right: two colours, two shapes, one place."""

    colors: int
    shapes: int
    place: int

    @property
    def share(self) -> float:
        """The share that is right, of all five."""
        return (self.colors + self.shapes + self.place) / 5


def held_out(seed: int) -> frozenset[tuple[str, str]]:
    """Return the combinations of colour and shape that :data:`SEEN` leaves out: one of each colour and each shape."""
    order = np.random.default_rng((seed, 7)).permutation(_SOME)
    return frozenset(zip(tuple(COLORS)[:_SOME], (SHAPES[index] for index in order), strict=True))


def make_scene(seed: int, part: str = SEEN, *, split_seed: int = 0) -> Scene:
    """Return the scene of a seed, of one of :data:`PARTS`; ``split_seed`` says which combinations are held out.

    Raises ValueError for a part that there is not.
    """
    if part not in PARTS:
        raise ValueError(f"got the part {part!r}, wanted one of {', '.join(PARTS)}")
    rng = np.random.default_rng((seed, zlib.crc32(part.encode())))
    kept_out = sorted(held_out(split_seed))
    groups: list[Group] = []
    while len(groups) < 2:
        color, shape = tuple(COLORS)[rng.integers(_SOME)], SHAPES[rng.integers(_SOME)]
        if not groups and part == UNSEEN_COMBINATIONS:
            color, shape = kept_out[rng.integers(len(kept_out))]
        elif (color, shape) in kept_out:
            continue
        elif not groups and part == UNSEEN_WORDS:
            color, shape = (tuple(COLORS)[-1], shape) if rng.random() < 0.5 else (color, SHAPES[-1])
        if groups and (color, shape) == (groups[0].color, groups[0].shape):
            continue  # else nobody could say which of them is meant
        groups.append(Group(int(rng.integers(1, 3)), tuple(SIZES)[rng.integers(2)], color, shape))
    if rng.random() < 0.5:
        groups.reverse()
    return Scene(groups[0], tuple(RELATIONS)[rng.integers(4)], groups[1])


def draw_scene(scene: Scene, seed: int, size: int) -> Image.Image:
    """Draw an RGB picture of ``size`` x ``size`` pixels: equal scenes, seeds and sizes give equal pictures."""
    rng = np.random.default_rng((seed, 11))
    side = size * _SUPERSAMPLING
    grey = rng.uniform(25, 110)
    red, green, blue = (int(value) for value in (grey + rng.uniform(-12, 12, 3)).clip(0, 255))
    canvas = Image.new("RGB", (side, side), (red, green, blue))
    ordered = scene if scene.relation in ("left of", "above") else scene.turned()
    for place, group in ((0.27, ordered.first), (0.73, ordered.second)):
        across = (0.5,) if group.number == 1 else (0.27, 0.73)
        for other in across:
            x, y = (place, other) if ordered.relation == "left of" else (other, place)
            dx, dy = rng.uniform(-0.05, 0.05, 2)
            radius = SIZES[group.size] * rng.uniform(0.9, 1.1)
            draw_shape(canvas, group, (x + dx) * side, (y + dy) * side, radius * side)
    picture = canvas.resize((size, size), Image.Resampling.BOX)
    pixels = np.asarray(picture, np.float32) + rng.normal(0, rng.uniform(1, 5), (size, size, 3))
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def read_caption(caption: str) -> Scene | None:
    """Return the scene that a sentence of the grammar tells, None for any other sentence."""
    told = _SENTENCE.fullmatch(" ".join(caption.lower().split()).rstrip(" ."))
    if told is None:
        return None
    first, second = (_read_group(told[1]), _read_group(told[3]))
    return None if first is None or second is None else Scene(first, told[2], second)


def compare(caption: str, scene: Scene) -> CaptionAgreement:
    """Return what a sentence, of the grammar or not, has right of a scene: a group is looked for where it lies.

    A sentence that is none of the grammar has its place wrong, and counts the groups that can be read in their order.
    """
    told = read_caption(caption)
    if told is None:
        groups = [Group(_NUMBERS[found[1]], found[2], found[3], found[4]) for found in _GROUP.finditer(caption)][:2]
        pairs = list(zip(groups, (scene.first, scene.second), strict=False))
        return CaptionAgreement(*_count(pairs), place=0)
    place = int(told.relation in (scene.relation, RELATIONS[scene.relation]))
    if told.relation == RELATIONS[scene.relation]:
        told = told.turned()
    colors, shapes = _count([(told.first, scene.first), (told.second, scene.second)])
    if not place or colors + shapes == 0:
        other = _count([(told.second, scene.first), (told.first, scene.second)])
        if sum(other) > colors + shapes:  # right things at the wrong place
            return CaptionAgreement(*other, place=0)
    return CaptionAgreement(colors, shapes, place)


def write_scenes(
    directory: str | os.PathLike[str],
    number: int,
    seed: int,
    *,
    size: int = 64,
    part: str = SEEN,
    captions: int = 2,
) -> list[Scene]:
    """Write ``<directory>/<part>-00000.png``... and ``captions.csv``, a row ``path,caption`` for each sentence.

    ``captions`` 1 leaves out the second sentence of each scene. Return the scenes in order. Equal arguments give equal
    files.
    """
    root, scenes, rows = pathlib.Path(directory), [], ["path,caption\n"]
    root.mkdir(parents=True, exist_ok=True)
    for index in range(number):
        own = int(np.random.SeedSequence((seed, index)).generate_state(1)[0])
        scene = make_scene(own, part)
        name = picture_name(part, index)
        (root / name).write_bytes(synthetic.encode(draw_scene(scene, own, size), "png"))
        rows += [f"{name},{caption}\n" for caption in scene.captions()[:captions]]
        scenes.append(scene)
    (root / "captions.csv").write_text("".join(rows), "utf-8")
    return scenes


def picture_name(part: str, index: int) -> str:
    """Return what :func:`write_scenes` calls the picture of a number."""
    return f"{part}-{index:05d}.png"


def _read_group(text: str) -> Group | None:
    found = _GROUP.fullmatch(text)
    if found is None or (found[1] == "two") != bool(found[5]):
        return None
    group = Group(_NUMBERS[found[1]], found[2], found[3], found[4])
    return group if str(group) == text else None


def _count(pairs: list[tuple[Group, Group]]) -> tuple[int, int]:
    """Return how many colours, and how many shapes, of pairs of what is told and what is there agree."""
    return (
        sum(told.color == there.color for told, there in pairs),
        sum(told.shape == there.shape for told, there in pairs),
    )


def draw_shape(canvas: Image.Image, group: Group, x: float, y: float, radius: float) -> None:
    """Draw the one shape of a group, whose centre and radius are in pixels of the canvas."""
    pen, fill = ImageDraw.Draw(canvas), COLORS[group.color]
    box = [x - radius, y - radius, x + radius, y + radius]
    if group.shape == "circle":
        pen.ellipse(box, fill=fill)
    elif group.shape == "ring":
        pen.ellipse(box, outline=fill, width=max(2, round(radius * 0.38)))
    elif group.shape == "cross":
        arm = radius * 0.32
        pen.rectangle([x - radius, y - arm, x + radius, y + arm], fill=fill)
        pen.rectangle([x - arm, y - radius, x + arm, y + radius], fill=fill)
    elif group.shape == "heart":
        half = radius * 0.5
        for side in (-1, 1):
            pen.ellipse([x + side * half - half, y - radius * 0.8, x + side * half + half, y + radius * 0.2], fill=fill)
        pen.polygon([(x - radius * 0.95, y), (x + radius * 0.95, y), (x, y + radius)], fill=fill)
    else:
        pen.polygon([(x + radius * dx, y + radius * dy) for dx, dy in _CORNERS[group.shape]], fill=fill)


def _corners(shares: tuple[float, ...]) -> tuple[tuple[float, float], ...]:
    """Return corners at equal angles from the top on, at these shares of the radius in turn."""
    angles = 2 * np.pi * np.arange(len(shares)) / len(shares) - np.pi / 2
    return tuple(
        (share * float(np.cos(at)), share * float(np.sin(at))) for share, at in zip(shares, angles, strict=True)
    )


_CORNERS = {
    "square": ((-0.85, -0.85), (0.85, -0.85), (0.85, 0.85), (-0.85, 0.85)),
    "star": _corners((1.1, 0.42) * 5),
    "triangle": _corners((1.1, 1.1, 1.1)),
}
