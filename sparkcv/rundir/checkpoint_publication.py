"""How a checkpoint gets into a run's folder, so that a reader finds a whole one at any moment; see checkpoint.py."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any

from sparkcv import storage
from sparkcv.errors import CheckpointError, MissingFileError, StorageError, UnavailableError
from sparkcv.rundir import checkpoint_listing as listing
from sparkcv.rundir import checkpoint_manifest
from sparkcv.rundir.checkpoint import steps, verify
from sparkcv.rundir.checkpoint_listing import Found
from sparkcv.rundir.checkpoint_manifest import prefix_name

__all__ = ["clean", "publish"]

_LEFTOVER = re.compile(r"\.(checkpoint|\.saving-[0-9]+|model\.ckpt-[0-9]+\.[a-z0-9-]+)\.tmp-[0-9a-zA-Z_-]+")


def publish(
    local_prefix: str,
    step: int,
    run_url: str,
    *,
    model_name: str,
    extra: Mapping[str, Any] | None = None,
    keep: int = 5,
    fence: Callable[[], None] = lambda: None,
    spared: Callable[[], Collection[int] | None] = frozenset,
) -> Found:
    """Put a local checkpoint into the run's folder: files, then manifest, then pointer; older ones than ``keep`` go.

    ``local_prefix`` has the published name (``.../model.ckpt-<step>``). ``extra`` is added to the manifest. A valid
    checkpoint of that step that is there already stays. Nothing older goes before the new one was read back. ``fence``
    raises what is to be raised if the folder is another run's by now: it is called before each thing that counts.
    ``spared`` returns the steps of older checkpoints that stay, or None if that is not known, and then all stay.

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
    storage.write_text(storage.join(run_url, listing.POINTER), _pointer_text(kept))
    if (others := spared()) is not None:
        _prune(run_url, kept[0], others)  # not before the pointer has let go of them
    return found


def clean(run_url: str) -> list[str]:
    """Delete what interrupted saves left in a run's folder, and return the names. Only for the run's one writer."""
    sizes = listing.sizes_in(run_url)
    interrupted = listing.interrupted_in(sizes)
    gone = [name for name in sizes if _LEFTOVER.fullmatch(name) or listing.MARKER.fullmatch(name)]
    gone = [
        name for name in sizes if (at := checkpoint_manifest.FILE.fullmatch(name)) and int(at[1]) in interrupted
    ] + gone
    for name in gone:  # a marker goes after the files that it explains
        storage.delete(storage.join(run_url, name))
    return gone


def _valid_already(run_url: str, step: int) -> Found | None:
    try:
        found = listing.read(run_url, step, listing.sizes_in(run_url))
        verify(found)
    except (CheckpointError, MissingFileError):
        return None
    return found


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


def _prune(run_url: str, oldest_kept: int, spared: Collection[int]) -> None:
    """Delete the checkpoints that are older than ``oldest_kept``, but for those of the steps ``spared``."""
    old = [
        name
        for name in listing.sizes_in(run_url)
        if (at := checkpoint_manifest.FILE.fullmatch(name)) and int(at[1]) < oldest_kept and int(at[1]) not in spared
    ]
    for name in sorted(old, key=lambda name: not name.endswith(".json")):  # what vouches for them goes first
        storage.delete(storage.join(run_url, name))


def _pointer_text(steps: list[int]) -> str:
    lines = [f'model_checkpoint_path: "{prefix_name(steps[-1])}"']
    lines += [f'all_model_checkpoint_paths: "{prefix_name(step)}"' for step in steps]
    return "\n".join(lines) + "\n"
