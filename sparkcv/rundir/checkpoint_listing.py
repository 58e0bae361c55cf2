"""What the listing of a run's folder tells of its checkpoints, before any of their bytes is read.

A marker ``.saving-N`` without a manifest of that step is a save that was cut short.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from typing import Any

from sparkcv import storage
from sparkcv.errors import CheckpointError, MissingFileError, StorageError
from sparkcv.rundir import checkpoint_manifest
from sparkcv.rundir.checkpoint_manifest import prefix_name

__all__ = ["Found", "MARKER", "POINTER", "interrupted_in", "read", "sizes_in", "steps_named"]

MARKER = re.compile(r"\.saving-(0|[1-9][0-9]{0,17})")
POINTER = "checkpoint"


@dataclasses.dataclass(frozen=True)
class Found:
    """A checkpoint that can be fetched.

    Attributes:
        step: global step stored in it; -1 for a foreign checkpoint (see :func:`locate`) whose name does not tell.
        prefix_url: what TF calls the checkpoint's path, ``<run_url>/model.ckpt-<step>``.
        skipped: newer checkpoints that were not usable, as ``(step, reason)``, newest first.
        manifest: the JSON beside it; empty for a foreign checkpoint, which has none.
        names: its files, without folder.
        kind: "" for a checkpoint, else what :mod:`sparkcv.rundir.checkpoint_model` calls the model in its place.
    """

    step: int
    prefix_url: str
    skipped: tuple[tuple[int, str], ...] = ()
    manifest: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    names: tuple[str, ...] = ()
    kind: str = ""


def sizes_in(url: str) -> dict[str, int]:
    """List the files of a folder with their bytes; a folder that is not there has none."""
    try:
        return {entry.name: entry.size for entry in storage.list_dir(url) if not entry.is_dir}
    except MissingFileError:
        return {}


def steps_named(names: Iterable[str]) -> set[int]:
    """Return the steps that files of checkpoints are named by."""
    return {int(at[1]) for name in names if (at := checkpoint_manifest.FILE.fullmatch(name))}


def interrupted_in(sizes: Mapping[str, int]) -> set[int]:
    """Return the steps whose save was cut short: marked, and not yet vouched for by a manifest."""
    marked = {int(at[1]) for name in sizes if (at := MARKER.fullmatch(name))}
    return {step for step in marked if f"{prefix_name(step)}.json" not in sizes}


def read(run_url: str, step: int, sizes: Mapping[str, int]) -> Found:
    """Read a checkpoint's manifest and compare it with the folder's listing; raises CheckpointError."""
    prefix = prefix_name(step)
    url = storage.join(run_url, f"{prefix}.json")
    if f"{prefix}.json" not in sizes:
        raise CheckpointError(f"it has no manifest {prefix}.json")
    try:
        manifest = storage.read_json(url)
    except MissingFileError:
        raise
    except StorageError as err:
        if storage.holds_no_json(err):
            raise CheckpointError(f"its manifest cannot be read: {err}") from err
        raise
    checkpoint_manifest.check(manifest, step, url)
    for name, wanted in manifest["files"].items():
        if name not in sizes:
            raise CheckpointError(f"its file {name} is missing")
        if sizes[name] != wanted["bytes"]:
            raise CheckpointError(f"its file {name} has {sizes[name]} bytes, its manifest says {wanted['bytes']}")
    return Found(step, storage.join(run_url, prefix), manifest=manifest, names=tuple(sorted(manifest["files"])))
