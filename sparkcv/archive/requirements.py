"""Which packages are needed: what pyproject.toml asks for, what those ask for, and so on."""

import ast
import operator
import os
import platform
import re
import sys
import tomllib
from collections.abc import Callable, Collection, Iterable
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from sparkcv.errors import MissingFileError, UsageError

__all__ = ["closure", "declared", "holds"]

_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[([^\]]*)\])?([^;]*)(?:;(.*))?$", re.DOTALL)
_VERSIONS = ("python_version", "python_full_version", "implementation_version", "platform_release")
_OPERATORS: dict[type[ast.cmpop], Callable[[Any, Any], object]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda left, right: left in right,
    ast.NotIn: lambda left, right: left not in right,
}


def declared(pyproject: Path) -> list[str]:
    """Return the runtime dependencies in ``pyproject``, as they are written there."""
    try:
        return list(tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]["dependencies"])
    except FileNotFoundError as err:
        raise MissingFileError(f"{pyproject} is not there, wanted the project's dependencies from it") from err
    except (KeyError, tomllib.TOMLDecodeError) as err:
        raise UsageError(f"{pyproject} names no dependencies ({err}), wanted a list in [project]") from err


def closure(wanted: Iterable[str], without: Collection[str] = ()) -> dict[str, Distribution]:
    """Return the distribution by normalized name of everything that ``wanted`` needs here, sorted by name.

    Those in ``without`` are left out, with what only they need. Raises UsageError for one that is not installed.
    """
    found: dict[str, Distribution] = {}
    seen: set[tuple[str, str]] = set()
    todo = [(line, "", "pyproject.toml") for line in wanted]
    while todo:
        line, extra, by = todo.pop()
        name, extras, marker = _parsed(line, by)
        if name in without or not holds(marker, extra):
            continue
        if name not in found:
            found[name] = _installed(name, by)
        for asked in {"", *extras} - {done for of, done in seen if of == name}:
            seen.add((name, asked))
            todo += [(requirement, asked, name) for requirement in found[name].requires or []]
    return dict(sorted(found.items()))


def _installed(name: str, by: str) -> Distribution:
    try:
        return distribution(name)
    except PackageNotFoundError as err:
        raise UsageError(
            f"{sys.executable} lacks the package {name} that {by} needs; "
            "wanted an environment made by `make setup` or `pip install .`"
        ) from err


def _parsed(line: str, by: str) -> tuple[str, list[str], str]:
    match = _REQUIREMENT.match(line)
    if not match:
        raise UsageError(f"{by} needs {line!r}, wanted a requirement such as numpy>=2")
    name, extras, _, marker = match.groups()
    normalized = re.sub(r"[-_.]+", "-", name).lower()
    return normalized, [extra.strip() for extra in (extras or "").split(",") if extra.strip()], (marker or "").strip()


def holds(marker: str, extra: str = "") -> bool:
    """Tell whether an environment marker, such as ``python_version < "3.12" and extra == "s3"``, is true here.

    A marker has Python's own grammar but for two operators, so Python's parser reads it; nothing of it is run.
    """
    if not marker:
        return True
    python_like = marker.replace("~=", ">=").replace("===", "==")
    try:
        return _value(ast.parse(python_like, mode="eval").body, _environment() | {"extra": extra})
    except (SyntaxError, KeyError) as err:
        raise UsageError(f"the environment marker {marker!r} cannot be read, wanted one as in PEP 508") from err


def _value(node: ast.expr, names: dict[str, str]) -> bool:
    match node:
        case ast.BoolOp(op=ast.And()):
            return all(_value(part, names) for part in node.values)
        case ast.BoolOp():
            return any(_value(part, names) for part in node.values)
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            versions = any(isinstance(side, ast.Name) and side.id in _VERSIONS for side in (left, right))
            return _compared(_text(left, names), op, _text(right, names), versions)
    raise KeyError(ast.dump(node))


def _text(node: ast.expr, names: dict[str, str]) -> str:
    match node:
        case ast.Constant(value=str() as text):
            return text
        case ast.Name(id=name):
            return names[name]
    raise KeyError(ast.dump(node))


def _compared(left: str, op: ast.cmpop, right: str, versions: bool) -> bool:
    if type(op) not in _OPERATORS:
        raise KeyError(ast.dump(op))
    if isinstance(op, ast.In | ast.NotIn) or not versions:
        return bool(_OPERATORS[type(op)](left, right))
    return bool(_OPERATORS[type(op)](_numbers(left), _numbers(right)))


def _numbers(version: str) -> list[int]:
    """Return the numbers of a version, so that 3.9 is below 3.10, and 3.11 is 3.11.0."""
    numbers = [int(number) for number in re.findall(r"\d+", version)]
    while numbers and not numbers[-1]:
        numbers.pop()
    return numbers


def _environment() -> dict[str, str]:
    return {
        "python_version": "{}.{}".format(*sys.version_info),
        "python_full_version": platform.python_version(),
        "implementation_name": sys.implementation.name,
        "implementation_version": platform.python_version(),
        "os_name": os.name,
        "sys_platform": sys.platform,
        "platform_machine": platform.machine(),
        "platform_python_implementation": platform.python_implementation(),
        "platform_release": platform.release(),
        "platform_system": platform.system(),
        "platform_version": platform.version(),
    }
