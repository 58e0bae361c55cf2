"""Scopes as slim's fine-tuning flags name them, compared with the names of variables; without TensorFlow.

``--checkpoint_exclude_scopes`` holds plain beginnings of names, ``--trainable_scopes`` regular expressions for them.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Sequence

from sparkcv.errors import UsageError

__all__ = ["begins", "missing", "refusal", "split_scopes", "trains"]


def split_scopes(scopes: str | None) -> list[str]:
    """Return the scopes in a comma-separated flag without blank ones (slim lets a blank one match every variable)."""
    return [scope.strip() for scope in (scopes or "").split(",") if scope.strip()]


def begins(scope: str, name: str) -> bool:
    """Tell whether an excluded scope leaves out the variable ``name``."""
    return name.startswith(scope)


def trains(scope: str, name: str) -> bool:
    """Tell whether a trainable scope chooses the variable ``name``; raise UsageError for no regular expression."""
    try:
        return re.match(scope, name) is not None
    except re.error as err:
        raise UsageError(f"--trainable_scopes has {scope!r}, which is no regular expression: {err}") from err


def missing(scopes: str | None, names: Sequence[str], matches: Callable[[str, str], bool]) -> list[str]:
    """Return the scopes of a flag that match none of ``names``."""
    return [scope for scope in split_scopes(scopes) if not any(matches(scope, name) for name in names)]


def refusal(flag: str, scope: str, names: Sequence[str], what: str) -> UsageError:
    """Return the error for a scope that matches none of ``names``, those of ``what``; it names the nearest."""
    prefixes = {name[: end.start()] for name in names for end in re.finditer("/|$", name)}
    near = difflib.get_close_matches(scope, sorted(prefixes), n=1, cutoff=0.5)
    such = f" (such as {names[0]})" if names else ""
    hint = f", did you mean {near[0]!r}?" if near else ";"
    return UsageError(
        f"--{flag} has {scope!r}, which matches none of the {len(names)} {what}{such}{hint} --ignore_missing_scopes"
        " goes on without it"
    )
