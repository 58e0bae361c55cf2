"""Flags as data: a frozen dataclass becomes a command line, a TOML recipe and a JSON object.

The three spellings carry the same names, so a flag that is read in a run's ``run.json`` can be typed as it stands.
A flag given beats the recipe, the recipe beats the default.
"""

import argparse
import dataclasses
import pathlib
import re
import sys
import tomllib
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NoReturn, TypeVar

from sparkcv.config.ranges import Range
from sparkcv.errors import UsageError, nearest

Config = TypeVar("Config")

MOST_SEED = 2**62
"""The largest ``--seed``: TensorFlow's and Spark's are of 64 bits, and some are made of it by adding to it."""

_TRUE = {"true", "t", "1", "yes", "y"}
_FALSE = {"false", "f", "0", "no", "n"}
_NEGATIVE = re.compile(r"-\.?\d")


def flag(
    default: Any,
    help: str,
    *,
    group: str,
    choices: Sequence[str] | None = None,
    least: float | None = None,
    most: float | None = None,
    above: float | None = None,
    below: float | None = None,
    share: bool = False,
    required: bool = False,
    first: bool = False,
    table: Callable[[Mapping[str, Any], str], str] | None = None,
) -> Any:
    """Declare a dataclass field that is also a flag.

    What is said here of its values is shown by ``--help``, and checked whenever a :class:`Flags` is made.

    Args:
        default: The value where neither the command line nor the recipe gives one.
        help: One sentence for ``--help``; units belong here.
        group: The heading in ``--help`` under which the flag stands.
        choices: The only values allowed, if they can be listed.
        least: The smallest number allowed.
        most: The largest number allowed.
        above: A number that the value is to exceed.
        below: A number that the value is to stay under.
        share: Whether the value is a share, from 0 to 1.
        required: Whether None and "" are refused. Give a required flag the type that it has once it is set.
        first: Whether the value may stand without the flag's name, as the first word of the command line.
        table: Turns a recipe's table of this name into the flag's text; it is told where the table stands, for errors.
    """
    if share:
        least, most = 0, 1
    bounds = Range(least, most, above, below)
    return dataclasses.field(
        default=default,
        metadata={
            "help": help,
            "group": group,
            "choices": choices and tuple(choices),
            "range": bounds if bounds != Range() else None,
            "required": required,
            "first": first,
            "table": table,
        },
    )


class Flags:
    """Base of the dataclasses of flags: none is made with a value that its own :func:`flag` does not allow."""

    def __post_init__(self) -> None:
        """Raise UsageError for the first flag that is missing or out of its range; the flag and the range are named."""
        fields = dataclasses.fields(typing.cast(Any, self))
        for field in fields:
            if field.metadata["required"] and (value := getattr(self, field.name)) in (None, "", ()):
                # One that has a default was emptied by who gave it.
                got = "empty" if field.default or value == () else "missing"
                raise UsageError(f"--{field.name} is {got}")
        for field in fields:
            value, bounds, choices = getattr(self, field.name), field.metadata["range"], field.metadata["choices"]
            if value is None:
                continue
            if bounds is not None and value not in bounds:
                raise UsageError(f"--{field.name}: got {value}, wanted {bounds}")
            if choices:
                choose(value, choices, f"--{field.name}")

    def refuse_use(self, names: Iterable[str], who: str) -> None:
        """Raise UsageError for a flag among ``names`` that is not at its default: ``who`` has no use for it."""
        for name in self.set_among(names):
            raise UsageError(f"--{name} {getattr(self, name)}: {who} has no use for it; wanted it unset")

    def set_among(self, names: Iterable[str]) -> list[str]:
        """Return those of ``names`` whose flags are not at their defaults, in that order."""
        defaults = {field.name: field.default for field in dataclasses.fields(typing.cast(Any, self))}
        return [name for name in names if getattr(self, name) != defaults[name]]


def parse(cls: type[Config], argv: Sequence[str], prog: str) -> Config:
    """Read a command line into ``cls``.

    Args:
        cls: A frozen dataclass whose fields were made by :func:`flag`.
        argv: The words after the program's name.
        prog: The program's name, for ``--help``.

    Raises:
        UsageError: an unknown flag (the nearest is named), a value of the wrong type, or a combination that
            the dataclass refuses.
    """
    parser = _parser(cls, prog)
    known, unknown = parser.parse_known_args(_first_named(cls, _joined(cls, _underscored(cls, argv))))
    given = {name: value for name, value in vars(known).items() if value is not None}
    if unknown:
        raise UsageError(_unknown_flag(unknown[0], cls))
    recipes = given.pop("recipe", [])
    if len(recipes) > 1:
        raise UsageError(f"got --recipe {len(recipes)} times, {' and '.join(recipes)}, wanted it once")
    given = {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
    values = {**(read_recipe(recipes[0], cls) if recipes else {}), **given}
    return cls(**values)


def help_text(cls: type, usage: str) -> str:
    """Return what ``--help`` prints for the flags of ``cls``, below a line of ``usage``."""
    parser = _parser(cls, usage.partition(" ")[0])
    parser.usage = usage
    return parser.format_help()


def to_dict(config: Any) -> dict[str, Any]:
    """Give every flag and its value, ready for JSON."""
    return dataclasses.asdict(config)


def from_dict(cls: type[Config], values: Mapping[str, Any]) -> Config:
    """Make ``cls`` from what :func:`to_dict` gave.

    Raises:
        UsageError: an unknown key, a value of the wrong type, or one that the dataclass refuses.
    """
    hints, names = typing.get_type_hints(cls), _names(cls)
    for key, value in values.items():
        if key not in names:
            raise UsageError(f"unknown setting {key!r} for {cls.__name__}{nearest(key, names)}")
        if value is not None and not _fits(value, hints[key]):
            raise UsageError(f"setting {key!r} of {cls.__name__} is {value!r}, wanted {_type_name(hints[key])}")
    return cls(**{key: tuple(value) if isinstance(value, list) else value for key, value in values.items()})


def choose(value: str, allowed: Iterable[str], what: str) -> str:
    """Return ``value`` if it is one of ``allowed``, else raise a UsageError that names the nearest."""
    allowed = list(allowed)
    if value in allowed:
        return value
    raise UsageError(f"{what}: got {value!r}{nearest(value, allowed)}; wanted one of {', '.join(sorted(allowed))}")


class _Parser(argparse.ArgumentParser):
    """argparse that raises our error, so that one place decides how a job ends."""

    def error(self, message: str) -> NoReturn:
        """Turn argparse's complaint into a UsageError."""
        raise UsageError(f"{message} (see {self.prog} --help)")


def _parser(cls: type, prog: str) -> argparse.ArgumentParser:
    summary = (cls.__doc__ or "").strip().split("\n\n")[0]
    parser = _Parser(prog=prog, description=summary, allow_abbrev=False, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--recipe", action="append", metavar="FILE", help="TOML file of flags; flags given here beat it"
    )
    groups: dict[str, Any] = {}
    hints = typing.get_type_hints(cls)
    for field in dataclasses.fields(cls):
        title = field.metadata["group"]
        if title not in groups:
            groups[title] = parser.add_argument_group(title)
        group = groups[title]
        kind, text = _kind(hints[field.name]), _help(field)
        if kind is bool:
            group.add_argument(f"--{field.name}", nargs="?", const=True, type=_boolean, metavar="BOOL", help=text)
            group.add_argument(
                f"--no{field.name}", dest=field.name, action="store_false", default=None, help=argparse.SUPPRESS
            )
        elif kind is tuple:
            element = _element(hints[field.name])
            meta = element.__name__.upper()
            group.add_argument(f"--{field.name}", nargs="+", type=element, metavar=meta, help=text)
        else:
            choices = field.metadata["choices"]
            meta = "{" + ",".join(choices) + "}" if choices else kind.__name__.upper()
            group.add_argument(f"--{field.name}", type=kind, choices=choices, metavar=meta, help=text)
    return parser


def _underscored(cls: type, argv: Sequence[str]) -> list[str]:
    """Return the words with the names of known flags as they are here, where they were given with hyphens."""
    names, words = {*_names(cls), *_opposites(cls)}, []
    for word in argv:
        name, equals, value = word.removeprefix("--").partition("=")
        known = word.startswith("--") and "-" in name and name.replace("-", "_") in names
        words.append(f"--{name.replace('-', '_')}{equals}{value}" if known else word)
    return words


def _joined(cls: type, argv: Sequence[str]) -> list[str]:
    """Return the words with a negative number joined to its flag: argparse takes ``-1e-3`` and ``-1,2`` for flags."""
    hints = typing.get_type_hints(cls)
    takers = {f"--{name}" for name in _names(cls) if _kind(hints[name]) not in (bool, tuple)}
    words: list[str] = []
    for word in argv:
        if words and words[-1] in takers and _NEGATIVE.match(word):
            words[-1] += f"={word}"
        else:
            words.append(word)
    return words


def _first_named(cls: type, argv: Sequence[str]) -> list[str]:
    """Return the words with the flag's name before the first one, where that may stand without it.

    Raises UsageError where the flag is given as well: one of both would be left out.
    """
    words = list(argv)
    for field in dataclasses.fields(cls):
        if field.metadata["first"] and words and not words[0].startswith("-"):
            if any(word == f"--{field.name}" or word.startswith(f"--{field.name}=") for word in words):
                raise UsageError(f"--{field.name}: got it and {words[0]!r}, which stands for it; wanted one of them")
            words[0] = f"--{field.name}={words[0]}"
    return words


def _help(field: "dataclasses.Field[Any]") -> str:
    bounds, is_required = field.metadata["range"], field.metadata["required"]
    text = str(field.metadata["help"]) + (f" [{bounds}]" if bounds is not None else "")
    if field.default is None:
        text += " (required)" if is_required else " (default: not set)"
    else:
        text += f" (default: {field.default!s})"
    return text.replace("%", "%%")


def _kind(hint: Any) -> type:
    """Return the one concrete type of ``int`` or ``int | None``; ``tuple`` of a flag that takes several values."""
    concrete = _concrete(hint)
    return typing.cast(type, typing.get_origin(concrete) or concrete)


def _concrete(hint: Any) -> Any:
    if isinstance(hint, types.UnionType):
        return next(arg for arg in typing.get_args(hint) if arg is not type(None))
    return hint


def _boolean(text: str) -> bool:
    lowered = text.lower()
    if lowered in _TRUE:
        return True
    if lowered in _FALSE:
        return False
    raise argparse.ArgumentTypeError(f"got {text!r}, wanted true or false")


def read_recipe(path: str, cls: Any) -> dict[str, Any]:
    """Return the flags of ``cls`` that a TOML file gives, as it takes them: a list as a tuple, a table as text.

    Raises UsageError for a file that cannot be read or is no TOML, an unknown key and a value of the wrong type.
    """
    if not path:
        raise UsageError("--recipe: got nothing, wanted a TOML file of flags")
    try:
        values = tomllib.loads(pathlib.Path(path).read_text(encoding="utf-8"))
    except OSError as err:
        raise UsageError(f"--recipe {path}: cannot be read ({err.strerror})") from err
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as err:
        raise UsageError(f"--recipe {path}: is not TOML ({err})") from err
    hints, names = typing.get_type_hints(cls), _names(cls)
    tables = {field.name: field.metadata["table"] for field in dataclasses.fields(typing.cast(Any, cls))}
    for key, value in values.items():
        if key not in names:
            raise UsageError(f"--recipe {path}: unknown key {key!r}{nearest(key, names)}")
        if tables[key] is not None and isinstance(value, dict):
            values[key] = value = tables[key](value, f"--recipe {path}: [{key}]")
        if not _fits(value, hints[key]):
            raise UsageError(f"--recipe {path}: {key} is {value!r}, wanted {_type_name(hints[key])}")
    return {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}


def _fits(value: Any, hint: Any) -> bool:
    """Return whether ``value`` is of a flag's type; TOML and JSON write a whole float without a point."""
    kind = _kind(hint)
    if kind is tuple:
        return type(value) in (list, tuple) and all(_fits(each, _element(hint)) for each in value)
    return type(value) is kind or (kind is float and type(value) is int and abs(value) <= sys.float_info.max)


def _element(hint: Any) -> Any:
    """Return the type of the values of a flag that takes several."""
    return typing.get_args(_concrete(hint))[0]


def _type_name(hint: Any) -> str:
    kind = _kind(hint)
    return f"a list of {_element(hint).__name__}" if kind is tuple else kind.__name__


def _unknown_flag(word: str, cls: type) -> str:
    if not word.startswith("-"):
        return f"unexpected argument {word!r}: every setting is a --flag"
    name = word.lstrip("-").split("=")[0].replace("-", "_")
    known = [*_names(cls), *(_opposites(cls) if name.startswith("no") else ())]
    dashes = word[: len(word) - len(word.lstrip("-"))]
    return f"unknown flag {dashes}{name}{nearest(name, known, shown='--{}')}"


def _names(cls: type) -> list[str]:
    return [field.name for field in dataclasses.fields(cls)]


def _opposites(cls: type) -> list[str]:
    """Return the names by which switches are turned off."""
    hints = typing.get_type_hints(cls)
    return [f"no{name}" for name in _names(cls) if _kind(hints[name]) is bool]
