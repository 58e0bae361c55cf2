"""Which augmentations a training draws for each picture, and from what ranges: ``--augment``, or a recipe's table.

The flag holds ``NAME=LOW:HIGH`` and ``NAME=CHANCE`` with commas between. A recipe may say the same as a table, which is
turned into the flag's text, so that ``run.json`` holds it in the one form that can be typed again::

    [augment]
    flip_left_right = 0.5
    rotation = [-15, 15]
    zoom = [0.9, 1.2]
    slim = false
"""

import dataclasses
import types
from collections.abc import Mapping
from typing import Any

from sparkcv.config.number_lists import numbers_in
from sparkcv.config.ranges import Range
from sparkcv.errors import UsageError, nearest

__all__ = ["Augmentations", "FILLS", "KINDS", "Kind", "NO_AUGMENTATIONS", "text_of_table"]

FILLS = ("reflect", "nearest", "black")
"""What lies outside of a picture that is turned, moved or made smaller: its mirror image, its edge, or nothing."""

_SLIM, _FILL = "slim", "fill"
_CHANCE = Range(least=0, most=1)


@dataclasses.dataclass(frozen=True)
class Kind:
    """One augmentation.

    Attributes:
        allowed: the values that its range may hold.
        what: what its value does, with the unit.
        is_chance: it takes one chance to happen, not a range.
        neutral: the value that changes nothing; None for a chance.
    """

    allowed: Range
    what: str
    is_chance: bool = False
    neutral: float | None = None


# In the order in which they are applied.
KINDS: Mapping[str, Kind] = types.MappingProxyType(
    {
        "flip_left_right": Kind(_CHANCE, "chance to be mirrored left to right", is_chance=True),
        "flip_top_bottom": Kind(_CHANCE, "chance to be mirrored top to bottom", is_chance=True),
        "rot90": Kind(_CHANCE, "chance to be turned by 90, 180 or 270 degrees", is_chance=True),
        "transpose": Kind(_CHANCE, "chance to be mirrored at its main diagonal", is_chance=True),
        "crop": Kind(Range(above=0, most=1), "share of both sides that is cut out, anywhere, and enlarged", neutral=1),
        "zoom": Kind(Range(least=0.1, most=10), "factor of enlargement about the middle", neutral=1),
        "shear": Kind(Range(least=-80, most=80), "degrees by which upright lines lean", neutral=0),
        "rotation": Kind(Range(least=-180, most=180), "degrees, against the clock", neutral=0),
        "shift": Kind(Range(least=-1, most=1), "share of the side, drawn for each direction", neutral=0),
        "brightness": Kind(Range(least=-1, most=1), "added, where white is 1", neutral=0),
        "contrast": Kind(Range(least=0, most=10), "factor of the distance from a channel's mean", neutral=1),
        "saturation": Kind(Range(least=0, most=10), "factor of the saturation", neutral=1),
        "hue": Kind(Range(least=-0.5, most=0.5), "turns of the colour circle", neutral=0),
        "gamma": Kind(Range(least=0.1, most=10), "exponent of each value", neutral=1),
        "channel_shift": Kind(Range(least=-1, most=1), "added to each channel, drawn for each", neutral=0),
    }
)


@dataclasses.dataclass(frozen=True)
class Augmentations:
    """What is drawn for each picture.

    Attributes:
        ranges: low and high by name of :data:`KINDS`; a chance is ``(0, chance)``.
        slim: the random crops, flips and colours of the preprocessing come first, as without augmentations.
        fill: one of :data:`FILLS`.
    """

    ranges: Mapping[str, tuple[float, float]] = dataclasses.field(default_factory=dict)
    slim: bool = True
    fill: str = FILLS[0]

    @classmethod
    def parse(cls, text: str | None, where: str = "--augment") -> "Augmentations":
        """Read the flag's text; None, or nothing, is no augmentation.

        Raises UsageError that names ``where``: an unknown name, a range that is turned round or holds what cannot be.
        """
        ranges: dict[str, tuple[float, float]] = {}
        slim, fill, seen = True, FILLS[0], set()
        for part in filter(None, (word.strip() for word in (text or "").split(","))):
            name, equals, value = (word.strip() for word in part.partition("="))
            if name not in (*KINDS, _SLIM, _FILL):
                known = (*KINDS, _SLIM, _FILL)
                raise UsageError(f"{where}: got {name!r}{nearest(name, known)}; wanted some of {', '.join(known)}")
            if not equals:
                raise UsageError(f"{where}: got {part!r}, wanted {_example(name)}")
            if name in seen:
                raise UsageError(f"{where}: got {name} twice, wanted it once")
            seen.add(name)
            if name == _SLIM:
                slim = _truth(value, where)
            elif name == _FILL:
                fill = _fill(value, where)
            else:
                ranges[name] = _range(name, value, where)
        return cls({name: ranges[name] for name in KINDS if name in ranges}, slim, fill)

    def __bool__(self) -> bool:
        """Return whether training differs from a training without ``--augment``."""
        return bool(self.ranges) or not self.slim

    def __str__(self) -> str:
        parts = [
            f"{name}={_shown(high)}" if KINDS[name].is_chance else f"{name}={_shown(low)}:{_shown(high)}"
            for name, (low, high) in self.ranges.items()
        ]
        parts += [] if self.slim else [f"{_SLIM}=false"]
        parts += [] if self.fill == FILLS[0] else [f"{_FILL}={self.fill}"]
        return ",".join(parts)


NO_AUGMENTATIONS = Augmentations()


def text_of_table(table: Mapping[str, Any], where: str) -> str:
    """Return the flag's text of a recipe's table; UsageError, with ``where``, for what it cannot hold."""
    parts = []
    for name, value in table.items():
        if isinstance(value, list) and len(value) == 2 and all(type(number) in (int, float) for number in value):
            parts.append(f"{name}={value[0]}:{value[1]}")
        elif isinstance(value, (bool, int, float, str)) and "," not in str(value):
            parts.append(f"{name}={str(value).lower()}")
        else:
            raise UsageError(f"{where}: {name} is {value!r}, wanted {_example(name)}")
    return str(Augmentations.parse(",".join(parts), where))


def _shown(number: float) -> str:
    """Return a number's text, which gives the same number again: six digits only where those are all."""
    short = f"{number:g}"
    return short if float(short) == number else repr(number)


def _range(name: str, value: str, where: str) -> tuple[float, float]:
    kind = KINDS[name]
    numbers = [numbers_in(word) for word in value.split(":")]
    if any(number is None or len(number) != 1 for number in numbers) or len(numbers) != (1 if kind.is_chance else 2):
        raise UsageError(f"{where}: {name} is {value!r}, wanted {_example(name)}")
    ends = tuple(number[0] for number in numbers if number)
    for end in ends:
        if end not in kind.allowed:
            raise UsageError(f"{where}: {name} is {value!r}, wanted {kind.allowed} ({kind.what})")
    low, high = (0.0, ends[0]) if kind.is_chance else ends
    if low > high:
        raise UsageError(f"{where}: the range of {name} is turned round: got {low:g}:{high:g}, wanted {high:g}:{low:g}")
    return low, high


def _truth(value: str, where: str) -> bool:
    if value.lower() not in ("true", "false"):
        raise UsageError(f"{where}: {_SLIM} is {value!r}, wanted true or false")
    return value.lower() == "true"


def _fill(value: str, where: str) -> str:
    if value not in FILLS:
        raise UsageError(f"{where}: {_FILL} is {value!r}, wanted one of {', '.join(FILLS)}")
    return value


def _example(name: str) -> str:
    if name == _SLIM:
        return "slim=true or slim=false"
    if name == _FILL:
        return f"fill=, and one of {', '.join(FILLS)}"
    kind = KINDS.get(name)
    if kind is None or kind.is_chance:
        return f"{name}=CHANCE, a number from 0 to 1"
    return f"{name}=LOW:HIGH, two numbers of {kind.allowed} (in a recipe: {name} = [LOW, HIGH])"
