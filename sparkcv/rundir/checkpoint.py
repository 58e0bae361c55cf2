"""Checkpoints at rest: which one of a run's folder can be trusted, and how one gets in and out of it.

A checkpoint is TF's files ``model.ckpt-N.index`` and ``model.ckpt-N.data-*`` and, published after them, our manifest
``model.ckpt-N.json``: without a manifest that fits byte for byte it does not count, whatever the pointer file
``checkpoint`` says. The pointer, in TF's own text format, is written last and only for TF's own tools.

While a save is under way a marker ``.saving-N`` stands beside it. It tells a first save that was cut short (the run
starts again at step 0, which is where it was) from a run whose checkpoints were lost (refused: never step 0).

Nothing here imports TensorFlow: the driver looks for checkpoints too.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
import time
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, cast

from sparkcv import logs, storage
from sparkcv.errors import CheckpointError, MissingFileError, StorageError, UnavailableError
from sparkcv.rundir import checkpoint_manifest
from sparkcv.rundir.checkpoint_manifest import prefix_name

__all__ = [
    "Found",
    "at_step",
    "clean",
    "fetch",
    "fetch_newest",
    "locate",
    "newest_step",
    "newest_valid",
    "prefix_name",
    "publish",
    "steps",
    "verify",
]

_MARKER = re.compile(r"\.saving-(0|[1-9][0-9]{0,17})")
_LEFTOVER = re.compile(r"\.(checkpoint|\.saving-[0-9]+|model\.ckpt-[0-9]+\.[a-z0-9-]+)\.tmp-[0-9a-zA-Z_-]+")
_POINTER = "checkpoint"
_log = logs.get(__name__)


@dataclasses.dataclass(frozen=True)
class Found:
    """A checkpoint that can be fetched.

    Attributes:
        step: global step stored in it; -1 for a foreign checkpoint (see :func:`locate`) whose name does not tell.
        prefix_url: what TF calls the checkpoint's path, ``<run_url>/model.ckpt-<step>``.
        skipped: newer checkpoints that were not usable, as ``(step, reason)``, newest first.
        manifest: the JSON beside it; empty for a foreign checkpoint, which has none.
        names: its files, without folder.
    """

    step: int
    prefix_url: str
    skipped: tuple[tuple[int, str], ...] = ()
    manifest: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    names: tuple[str, ...] = ()


def newest_valid(run_url: str) -> Found | None:
    """Return the newest checkpoint whose every byte is as its manifest says; None if the run never saved one.

    Raises CheckpointError if there are checkpoints, or traces of them, and none is valid; StorageError if the file
    system does not answer, which says nothing about the checkpoints.
    """
    found = _newest(run_url, verify)
    return found[0] if found else None


def fetch_newest(run_url: str, scratch_dir: str) -> tuple[Found, str] | None:
    """Fetch the newest valid checkpoint: like ``newest_valid`` and ``fetch``, reading each byte once.

    Returns what was found and its local prefix.
    """
    return _newest(run_url, lambda found: fetch(found, scratch_dir))


def newest_step(run_url: str) -> int:
    """Return the step of the newest checkpoint by name alone, 0 without one: for what need not be exact."""
    return max((int(at[1]) for name in _sizes(run_url) if (at := checkpoint_manifest.FILE.fullmatch(name))), default=0)


def steps(run_url: str) -> list[int]:
    """Return the steps of the checkpoints that have a manifest, oldest first, by their names alone."""
    found = [at for name in _sizes(run_url) if (at := checkpoint_manifest.FILE.fullmatch(name)) and at[2] == "json"]
    return sorted(int(at[1]) for at in found)


def at_step(run_url: str, step: int) -> Found:
    """Return a run's checkpoint of ``step``, to be fetched: sizes are looked at, bytes are not.

    Raises CheckpointError or MissingFileError if it is not there any more, or not whole.
    """
    return _read(run_url, step, _sizes(run_url))


def locate(url: str) -> Found:
    """Find the checkpoint that a user names: a run's folder (its newest valid one) or a prefix.

    A prefix may be a foreign checkpoint (``.index`` and ``.data`` files, or one file as slim published them), which
    has no manifest to be checked against. Raises CheckpointError or MissingFileError if there is none.
    """
    if storage.is_dir(url):
        found = newest_valid(url)
        if found is None:
            raise CheckpointError(f"no checkpoint in {url!r}, wanted model.ckpt-N.index, .data-* and .json")
        return found
    folder, name = storage.parent(url), storage.basename(url)
    sizes = _sizes(folder)
    names = [other for other in sizes if other == name or re.fullmatch(re.escape(name) + r"\.(index|data-.*)", other)]
    if not names:
        raise MissingFileError(f"no checkpoint {url!r}: neither a folder nor the prefix of checkpoint files")
    step = int(name.rpartition("-")[2]) if checkpoint_manifest.FILE.fullmatch(f"{name}.index") else -1
    if f"{name}.json" not in sizes or step < 0:
        return Found(step, url, names=tuple(names))
    found = _read(folder, step, sizes)
    verify(found)
    return found


def fetch(found: Found, scratch_dir: str) -> str:
    """Copy a checkpoint to this machine; returns the local prefix for TF.

    Raises CheckpointError if the bytes that arrive are not those of the manifest.
    """
    local_dir = os.path.join(scratch_dir, f"restored-{storage.basename(found.prefix_url)}")
    os.makedirs(local_dir, exist_ok=True)
    folder = storage.parent(found.prefix_url)
    for name in found.names:
        url, path = storage.join(folder, name), os.path.join(local_dir, name)
        storage.fetch(url, path)
        if found.manifest:
            checkpoint_manifest.compare(url, checkpoint_manifest.digest_of(path), found.manifest["files"][name])
    return os.path.join(local_dir, storage.basename(found.prefix_url))


def verify(found: Found) -> None:
    """Read a published checkpoint back; raises CheckpointError unless its bytes are those of the manifest."""
    folder = storage.parent(found.prefix_url)
    for name, wanted in found.manifest["files"].items():
        url = storage.join(folder, name)
        with storage.open_read(url) as source:
            checkpoint_manifest.compare(url, checkpoint_manifest.digest(cast(BinaryIO, source)), wanted)


def publish(
    local_prefix: str,
    step: int,
    run_url: str,
    *,
    model_name: str,
    extra: Mapping[str, Any] | None = None,
    keep: int = 5,
    fence: Callable[[], None] = lambda: None,
) -> Found:
    """Put a local checkpoint into the run's folder: files, then manifest, then pointer; older ones than ``keep`` go.

    ``local_prefix`` has the published name (``.../model.ckpt-<step>``). ``extra`` is added to the manifest. A valid
    checkpoint of that step that is there already stays. Nothing older goes before the new one was read back. ``fence``
    raises what is to be raised if the folder is another run's by now: it is called before each thing that counts.

    Raises StorageError if it does not get there, whole; as far as the storage lets us, nothing half is left then.
    """
    local_dir, prefix = os.path.split(local_prefix)
    names = sorted(
        name
        for name in os.listdir(local_dir)
        if name.startswith(prefix + ".") and checkpoint_manifest.FILE.fullmatch(name)
    )
    if prefix != prefix_name(step) or f"{prefix}.index" not in names:
        raise CheckpointError(f"no files of checkpoint {prefix_name(step)} at {local_prefix!r}")
    found = _valid_already(run_url, step)  # replacing it would open a moment without any
    if found is None:
        manifest: dict[str, Any] = {
            "schema": checkpoint_manifest.SCHEMA,
            "step": step,
            "model_name": model_name,
            "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            **(extra or {}),
            "files": {name: checkpoint_manifest.digest_of(os.path.join(local_dir, name)) for name in names},
        }
        found = Found(step, storage.join(run_url, prefix), manifest=manifest, names=tuple(names))
        fence()
        clean(run_url)  # what former saves that failed left takes the room that this one needs
        try:
            _put(found, local_dir, run_url, fence)
        except StorageError as err:
            if not isinstance(err, UnavailableError):
                with contextlib.suppress(StorageError):  # the first error is the one to tell
                    clean(run_url)
            raise
    kept = [whole for whole in steps(run_url) if whole <= step][-max(1, keep) :]
    fence()
    storage.write_text(storage.join(run_url, _POINTER), _pointer_text(kept))
    _prune(run_url, kept[0])  # not before the pointer has let go of them
    return found


def clean(run_url: str) -> list[str]:
    """Delete what interrupted saves left in a run's folder; returns the names. Only for the run's one writer."""
    sizes = _sizes(run_url)
    interrupted = _interrupted(sizes)
    gone = [name for name in sizes if _LEFTOVER.fullmatch(name) or _MARKER.fullmatch(name)]
    gone = [
        name for name in sizes if (at := checkpoint_manifest.FILE.fullmatch(name)) and int(at[1]) in interrupted
    ] + gone
    for name in gone:  # a marker goes after the files that it explains
        storage.delete(storage.join(run_url, name))
    return gone


def _newest(run_url: str, prove: Callable[[Found], Any]) -> tuple[Found, Any] | None:
    """Return the newest checkpoint that ``prove`` raises no error for, and what it returned."""
    sizes = _sizes(run_url)
    interrupted = _interrupted(sizes)
    named = sorted({int(at[1]) for name in sizes if (at := checkpoint_manifest.FILE.fullmatch(name))}, reverse=True)
    skipped: list[tuple[int, str]] = []
    for step in named:
        if step in interrupted:
            skipped.append((step, "its save was interrupted"))
            continue
        try:
            found = dataclasses.replace(_read(run_url, step, sizes), skipped=tuple(skipped))
            return found, prove(found)
        except (CheckpointError, MissingFileError) as err:
            skipped.append((step, str(err)))
    lost = [(step, reason) for step, reason in skipped if step not in interrupted]
    if lost:
        told = "; ".join(f"step {step}: {reason}" for step, reason in lost[:3])
        raise CheckpointError(
            f"none of the {len(lost)} checkpoints in {run_url!r} is valid, so the run cannot resume and will not start"
            f" again from step 0 ({told}); mend them, name another --train_dir, or say --restart to move them aside and"
            " begin anew"
        )
    if _POINTER in sizes:
        raise CheckpointError(
            f"{run_url!r} has the pointer file 'checkpoint' and no checkpoint, so the run cannot resume and will not"
            " start again from step 0; bring the checkpoints back, name another --train_dir, or say --restart to move"
            " aside what is left and begin anew"
        )
    return None


def _valid_already(run_url: str, step: int) -> Found | None:
    try:
        found = _read(run_url, step, _sizes(run_url))
        verify(found)
    except (CheckpointError, MissingFileError):
        return None
    return found


def _read(run_url: str, step: int, sizes: Mapping[str, int]) -> Found:
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
        if isinstance(err.__cause__, (json.JSONDecodeError, UnicodeDecodeError, RecursionError)):
            raise CheckpointError(f"its manifest cannot be read: {err}") from err
        raise
    checkpoint_manifest.check(manifest, step, url)
    for name, wanted in manifest["files"].items():
        if name not in sizes:
            raise CheckpointError(f"its file {name} is missing")
        if sizes[name] != wanted["bytes"]:
            raise CheckpointError(f"its file {name} has {sizes[name]} bytes, its manifest says {wanted['bytes']}")
    return Found(step, storage.join(run_url, prefix), manifest=manifest, names=tuple(sorted(manifest["files"])))


def _put(found: Found, local_dir: str, run_url: str, fence: Callable[[], None]) -> None:
    """Copy a checkpoint's files, read them back, and only then write the manifest that vouches for them."""
    marker = storage.join(run_url, f".saving-{found.step}")
    manifest_url = f"{found.prefix_url}.json"
    storage.write_text(marker, "a save is under way, or was interrupted\n")
    # A damaged checkpoint of this step must not vouch for our files.
    storage.delete(manifest_url)
    for name in found.names:
        fence()
        storage.publish(os.path.join(local_dir, name), storage.join(run_url, name))
    try:
        verify(found)
    except CheckpointError as err:
        raise StorageError(f"the checkpoint did not arrive as it was sent: {err}") from err
    fence()
    storage.write_json(manifest_url, found.manifest)
    storage.delete(marker)


def _prune(run_url: str, oldest_kept: int) -> None:
    """Delete the checkpoints that are older than ``oldest_kept``."""
    old = [
        name
        for name in _sizes(run_url)
        if (at := checkpoint_manifest.FILE.fullmatch(name)) and int(at[1]) < oldest_kept
    ]
    for name in sorted(old, key=lambda name: not name.endswith(".json")):  # what vouches for them goes first
        storage.delete(storage.join(run_url, name))


def _pointer_text(steps: list[int]) -> str:
    lines = [f'model_checkpoint_path: "{prefix_name(steps[-1])}"']
    lines += [f'all_model_checkpoint_paths: "{prefix_name(step)}"' for step in steps]
    return "\n".join(lines) + "\n"


def _interrupted(sizes: Mapping[str, int]) -> set[int]:
    """Return the steps whose save was cut short: marked, and not yet vouched for by a manifest."""
    marked = {int(at[1]) for name in sizes if (at := _MARKER.fullmatch(name))}
    return {step for step in marked if f"{prefix_name(step)}.json" not in sizes}


def _sizes(url: str) -> dict[str, int]:
    """List the files of a folder with their bytes; a folder that is not there has none."""
    try:
        return {entry.name: entry.size for entry in storage.list_dir(url) if not entry.is_dir}
    except MissingFileError:
        return {}
