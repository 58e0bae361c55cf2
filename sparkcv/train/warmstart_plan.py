"""What a warm start does with each variable, by names and shapes alone: the driver asks before TensorFlow is started.

A start from the wrong checkpoint costs a whole run: what slim restores silently in part is refused here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sparkcv.errors import CheckpointError
from sparkcv.logs import get as get_logger
from sparkcv.train import scopes

__all__ = ["FILE_NAME", "WarmStart", "plan", "some"]

FILE_NAME = "warm_start.json"
_NAMES_SHOWN = 3
_SCHEMA = 1


@dataclasses.dataclass(frozen=True)
class WarmStart:
    """The variables of a run that began from other weights, by name.

    Attributes:
        source: the checkpoint or model, as the user named it.
        restored: the net's, taken from there.
        skipped: those of the source that the net did not take.
        new: the net's, left at their initial values.
        frozen: the net's, which training does not change.
    """

    source: str
    restored: tuple[str, ...]
    skipped: tuple[str, ...]
    new: tuple[str, ...]
    frozen: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return what ``warm_start.json`` in the run's folder holds."""
        return {"schema": _SCHEMA, **{name: _json(value) for name, value in vars(self).items()}}

    def counts(self) -> str:
        """Return the numbers in one phrase."""
        return f"{', '.join(f'{len(names)} {what}' for what, names in self._groups() if names)} variables"

    def lines(self) -> list[str]:
        """Return a line for each kind of variables: how many, and the first of them."""
        return [f"{len(names)} {what}: {some(names)}" for what, names in self._groups() if names]

    def _groups(self) -> list[tuple[str, tuple[str, ...]]]:
        groups = {"restored": self.restored, "skipped": self.skipped, "frozen": self.frozen, "newly made": self.new}
        return list(groups.items())


def plan(
    source: str,
    saved: Mapping[str, Sequence[int]],
    net: Mapping[str, Sequence[int]],
    *,
    exclude_scopes: str | None = None,
    ignore_missing_vars: bool = False,
    ignore_missing_scopes: bool = False,
    frozen: Collection[str] = (),
) -> WarmStart:
    """Return what is restored of the shapes ``saved`` in ``source``, by name, into those of the ``net``.

    Raise CheckpointError for a source that lacks variables (unless ``ignore_missing_vars``), has none, or has other
    shapes; UsageError as :func:`scopes.to_restore`.
    """
    wanted = scopes.to_restore(
        exclude_scopes, list(net), saved=list(saved), ignore_missing_scopes=ignore_missing_scopes
    )
    missing = [name for name in wanted if name not in saved]
    if missing and not ignore_missing_vars:
        raise CheckpointError(
            f"checkpoint {source} lacks {len(missing)} of {len(wanted)} variables: {some(missing)}; name them in "
            "--checkpoint_exclude_scopes or give --ignore_missing_vars"
        )
    present = [name for name in wanted if name in saved]
    if not present:
        raise CheckpointError(
            f"checkpoint {source} has none of the {len(wanted)} variables wanted ({some(missing)}): it is of another"
            " net"
        )
    for name in present:
        if list(saved[name]) != list(net[name]):
            raise CheckpointError(
                f"variable {name} has shape {list(saved[name])} in checkpoint {source} and {list(net[name])} in the"
                " net; --checkpoint_exclude_scopes leaves it out"
            )
    if missing:
        get_logger(__name__).warning("%d variables are not in %s: %s", len(missing), source, some(missing))
    taken = set(present)
    return WarmStart(
        source=source,
        restored=tuple(present),
        skipped=tuple(sorted(name for name in saved if name not in taken)),
        new=tuple(name for name in net if name not in taken),
        frozen=tuple(name for name in net if name in frozen),
    )


def some(names: Sequence[str]) -> str:
    """Return the first of some names, and how many more there are."""
    shown = ", ".join(names[:_NAMES_SHOWN])
    return shown if len(names) <= _NAMES_SHOWN else f"{shown} and {len(names) - _NAMES_SHOWN} more"


def _json(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
