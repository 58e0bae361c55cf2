"""Scopes as slim's fine-tuning flags and ours name them, compared with the names of variables; without TensorFlow.

``--checkpoint_exclude_scopes`` holds plain beginnings of names, ``--trainable_scopes`` regular expressions for them,
``--learning_rate_scales`` names or their beginnings up to a slash. The driver asks here before anything starts, and the
worker with the variables themselves.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from sparkcv.errors import UsageError, nearest
from sparkcv.logs import get as get_logger

__all__ = ["begins", "missing", "rate_scales", "refusal", "split_scopes", "to_restore", "to_train", "trains"]


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
    such = f" (such as {names[0]})" if names else ""
    hint = nearest(scope, sorted(prefixes), otherwise=";", shown="{!r}")
    return UsageError(
        f"--{flag} has {scope!r}, which matches none of the {len(names)} {what}{such}{hint} --ignore_missing_scopes"
        " goes on without it"
    )


def to_train(trainable_scopes: str | None, names: Sequence[str], *, ignore_missing_scopes: bool = False) -> list[str]:
    """Return those of ``names``, the net's trainable variables, that ``--trainable_scopes`` chooses; all for None.

    A variable that several scopes match counts once. Raise UsageError for a scope that matches nothing, unless
    ``ignore_missing_scopes``, and where nothing is left to train.
    """
    if trainable_scopes is None:
        return list(names)
    unmatched = missing(trainable_scopes, names, trains)
    refusals = [refusal("trainable_scopes", scope, names, "trainable variables") for scope in unmatched]
    _raise_first(refusals, is_ignored=ignore_missing_scopes)
    scopes = split_scopes(trainable_scopes)
    chosen = dict.fromkeys(name for scope in scopes for name in names if trains(scope, name))
    if not chosen:
        what = "matches no variable" if scopes else "names no scope"
        raise UsageError(f"--trainable_scopes {trainable_scopes!r} {what}, so nothing would be trained")
    return list(chosen)


def to_restore(
    exclude_scopes: str | None,
    names: Sequence[str],
    *,
    saved: Sequence[str] = (),
    ignore_missing_scopes: bool = False,
) -> list[str]:
    """Return ``names``, the net's variables, less those that begin with an excluded scope (plain text, as in slim).

    Raise UsageError for a scope that matches none of them and none of those ``saved`` in the checkpoint, unless
    ``ignore_missing_scopes``, and where nothing is left to restore.
    """
    unmatched = missing(exclude_scopes, [*names, *saved], begins)
    refusals = [refusal("checkpoint_exclude_scopes", scope, names, "variables of the net") for scope in unmatched]
    _raise_first(refusals, is_ignored=ignore_missing_scopes)
    kept = [name for name in names if not name.startswith(tuple(split_scopes(exclude_scopes)))]
    if not kept:
        raise UsageError(f"--checkpoint_exclude_scopes {exclude_scopes!r} leaves no variable to restore")
    return kept


def rate_scales(scales: Mapping[str, float], names: Sequence[str]) -> dict[str, float]:
    """Return the factor of each variable in ``names`` that has one: that of the longest scope that it is under.

    A scope is a variable's name or the beginning of it up to a slash. Raise UsageError for a scope that is none of
    any variable that is trained, the nearest is named, and where every factor is 0, so that nothing would be trained.
    """
    under = {scope: [name for name in names if f"{name}/".startswith(f"{scope}/")] for scope in scales}
    for scope, found in under.items():
        if not found:
            parts = [name.split("/") for name in names]
            known = sorted({"/".join(words[:end]) for words in parts for end in range(1, len(words) + 1)})
            hint = nearest(scope, known, otherwise=f" (such as {names[0]})" if names else "", shown="{!r}")
            raise UsageError(
                f"--learning_rate_scales has {scope!r}, which matches none of the {len(names)} variables that are"
                f" trained{hint}"
            )
    factors = {name: scales[scope] for scope in sorted(scales, key=len) for name in under[scope]}
    if names and not any(factors.get(name, 1.0) for name in names):
        raise UsageError(
            f"--learning_rate_scales gives each of the {len(names)} variables that are trained the factor 0, so nothing"
            " would be trained"
        )
    return factors


def _raise_first(refusals: Sequence[UsageError], *, is_ignored: bool) -> None:
    """Raise the first of the errors, or log them all where missing scopes are ignored."""
    for error in refusals:
        if not is_ignored:
            raise error
        get_logger(__name__).warning("%s", error)
