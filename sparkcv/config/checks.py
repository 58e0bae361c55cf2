"""Range checks that every job's flags share; each names the flag, the value and the range."""

from collections.abc import Iterable, Sequence
from typing import Any

from sparkcv.config.flags import choose
from sparkcv.errors import UsageError


def at_least(config: Any, least: float, names: Iterable[str]) -> None:
    """Raise UsageError for the first of ``names`` that is set below ``least``."""
    for name in names:
        value = getattr(config, name)
        if value is not None and not value >= least:
            raise UsageError(f"--{name}: got {value}, wanted at least {least}")


def above(config: Any, bound: float, names: Iterable[str]) -> None:
    """Raise UsageError for the first of ``names`` that is set and not above ``bound``."""
    for name in names:
        value = getattr(config, name)
        if value is not None and not value > bound:
            raise UsageError(f"--{name}: got {value}, wanted more than {bound}")


def share(config: Any, names: Iterable[str]) -> None:
    """Raise UsageError for the first of ``names`` that is set outside [0, 1]."""
    for name in names:
        value = getattr(config, name)
        if value is not None and not 0 <= value <= 1:
            raise UsageError(f"--{name}: got {value}, wanted 0 to 1")


def given(config: Any, names: Iterable[str]) -> None:
    """Raise UsageError for the first of ``names`` that is empty."""
    for name in names:
        if getattr(config, name) in (None, ""):
            raise UsageError(f"--{name} is missing")


def one_of(config: Any, name: str, allowed: Sequence[str]) -> None:
    """Raise UsageError unless the value of ``name`` is one of ``allowed``; the nearest is named."""
    choose(getattr(config, name), allowed, f"--{name}")
