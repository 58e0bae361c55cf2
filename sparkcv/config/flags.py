"""Flags as data: a frozen dataclass becomes a command line, a TOML recipe and a JSON object.

The three spellings carry the same names, so a flag that is read in a run's ``run.json`` can be typed as it stands.
A flag given beats the recipe, the recipe beats the default.
"""

import argparse
import dataclasses
import difflib
import pathlib
import tomllib
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NoReturn, TypeVar

from sparkcv.errors import UsageError

Config = TypeVar("Config")

_TRUE = {"true", "t", "1", "yes", "y"}
_FALSE = {"false", "f", "0", "no", "n"}


def flag(default: Any, help: str, *, group: str, choices: Sequence[str] | None = None) -> Any:
    """Declare a dataclass field that is also a flag.

    Args:
        default: The value where neither the command line nor the recipe gives one.
        help: One sentence for ``--help``; units and ranges belong here.
        group: The heading in ``--help`` under which the flag stands.
        choices: The only values allowed, if they can be listed.
    """
    return dataclasses.field(
        default=default, metadata={"help": help, "group": group, "choices": choices and tuple(choices)}
    )


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
    known, unknown = parser.parse_known_args(list(argv))
    given = {name: value for name, value in vars(known).items() if value is not None}
    if unknown:
        raise UsageError(_unknown_flag(unknown[0], cls))
    recipe = given.pop("recipe", None)
    values = {**(_read_recipe(recipe, cls) if recipe else {}), **given}
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
    """Make ``cls`` from what :func:`to_dict` gave; an unknown key is refused by name."""
    names = _names(cls)
    for key in values:
        if key not in names:
            raise UsageError(f"unknown setting {key!r} for {cls.__name__}{_nearest(key, names)}")
    return cls(**dict(values))


def choose(value: str, allowed: Iterable[str], what: str) -> str:
    """Return ``value`` if it is one of ``allowed``, else raise a UsageError that names the nearest."""
    allowed = list(allowed)
    if value in allowed:
        return value
    raise UsageError(f"{what}: got {value!r}{_nearest(value, allowed)}; wanted one of {', '.join(sorted(allowed))}")


class _Parser(argparse.ArgumentParser):
    """argparse that raises our error, so that one place decides how a job ends."""

    def error(self, message: str) -> NoReturn:
        """Turn argparse's complaint into a UsageError."""
        raise UsageError(f"{message} (see {self.prog} --help)")


def _parser(cls: type, prog: str) -> argparse.ArgumentParser:
    summary = (cls.__doc__ or "").strip().split("\n\n")[0]
    parser = _Parser(prog=prog, description=summary, allow_abbrev=False, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--recipe", metavar="FILE", help="TOML file of flags; flags given here beat it")
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
        else:
            choices = field.metadata["choices"]
            meta = "{" + ",".join(choices) + "}" if choices else kind.__name__.upper()
            group.add_argument(f"--{field.name}", type=kind, choices=choices, metavar=meta, help=text)
    return parser


def _help(field: "dataclasses.Field[Any]") -> str:
    default = "not set" if field.default is None else field.default
    return f"{field.metadata['help']} (default: {default!s})".replace("%", "%%")


def _kind(hint: Any) -> type:
    """The one concrete type of ``int`` or ``int | None``."""
    if isinstance(hint, types.UnionType):
        return next(arg for arg in typing.get_args(hint) if arg is not type(None))
    return typing.cast(type, hint)


def _boolean(text: str) -> bool:
    lowered = text.lower()
    if lowered in _TRUE:
        return True
    if lowered in _FALSE:
        return False
    raise argparse.ArgumentTypeError(f"got {text!r}, wanted true or false")


def _read_recipe(path: str, cls: type) -> dict[str, Any]:
    try:
        values = tomllib.loads(pathlib.Path(path).read_text(encoding="utf-8"))
    except OSError as err:
        raise UsageError(f"--recipe {path}: cannot be read ({err.strerror})") from err
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as err:
        raise UsageError(f"--recipe {path}: is not TOML ({err})") from err
    hints, names = typing.get_type_hints(cls), _names(cls)
    for key, value in values.items():
        if key not in names:
            raise UsageError(f"--recipe {path}: unknown key {key!r}{_nearest(key, names)}")
        kind = _kind(hints[key])
        fits = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
        if not fits and not (kind is float and type(value) is int):
            raise UsageError(f"--recipe {path}: {key} is {value!r}, wanted {kind.__name__}")
    return values


def _unknown_flag(word: str, cls: type) -> str:
    if not word.startswith("-"):
        return f"unexpected argument {word!r}: every setting is a --flag"
    name = word.lstrip("-").split("=")[0].replace("-", "_")
    return f"unknown flag --{name}{_nearest(name, _names(cls), '--')}"


def _names(cls: type) -> list[str]:
    return [field.name for field in dataclasses.fields(cls)]


def _nearest(name: str, names: Iterable[str], prefix: str = "") -> str:
    close = difflib.get_close_matches(name, list(names), n=1, cutoff=0.5)
    return f", did you mean {prefix}{close[0]}?" if close else ""
