"""Checkpoints at rest: which one of a run's folder can be trusted, and how one gets out of it.

A checkpoint is TF's files ``model.ckpt-N.index`` and ``model.ckpt-N.data-*`` and, published after them, our manifest
``model.ckpt-N.json``: without a manifest that fits byte for byte it does not count, whatever the pointer file
``checkpoint`` says. The pointer, in TF's own text format, is written last and only for TF's own tools.

While a save is under way a marker ``.saving-N`` stands beside it. It tells a first save that was cut short (the run
starts again at step 0, which is where it was) from a run whose checkpoints were lost (refused: never step 0).

Nothing here imports TensorFlow: the driver looks for checkpoints too.
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Callable
from typing import Any, BinaryIO, cast

from sparkcv import logs, storage
from sparkcv.errors import CheckpointError, MissingFileError
from sparkcv.rundir import checkpoint_foreign, checkpoint_manifest, checkpoint_model, checkpoint_named
from sparkcv.rundir import checkpoint_listing as listing
from sparkcv.rundir.checkpoint_listing import Found
from sparkcv.rundir.checkpoint_manifest import prefix_name

__all__ = [
    "Found",
    "at_step",
    "fetch",
    "fetch_newest",
    "locate",
    "newest_step",
    "newest_valid",
    "prefix_name",
    "steps",
    "verify",
]

# What an error says where no checkpoint is whole: what comes of it, and what to do.
_RESUMING = (
    ", so the run cannot resume and will not start again from step 0",
    "name another --train_dir, or say --restart to move aside what is left and begin anew",
)
_LOOKING = ("", "or name another --checkpoint_path")
_log = logs.get(__name__)


def newest_valid(run_url: str) -> Found | None:
    """Return the newest checkpoint whose every byte is as its manifest says; None if the run never saved one.

    Raises CheckpointError if there are checkpoints, or traces of them, and none is valid; StorageError if the file
    system does not answer, which says nothing about the checkpoints.
    """
    return _newest_valid(run_url, _RESUMING)


def fetch_newest(run_url: str, scratch_dir: str) -> tuple[Found, str] | None:
    """Fetch the newest valid checkpoint: like ``newest_valid`` and ``fetch``, reading each byte once.

    Return what was found and its local prefix.
    """
    return _newest(run_url, lambda found: fetch(found, scratch_dir))


def newest_step(run_url: str) -> int:
    """Return the step of the newest checkpoint by name alone, 0 without one: for what need not be exact."""
    return max(listing.steps_named(listing.sizes_in(run_url)), default=0)


def steps(run_url: str) -> list[int]:
    """Return the steps of the checkpoints that have a manifest, oldest first, by their names alone."""
    names = listing.sizes_in(run_url)
    return sorted(step for step in listing.steps_named(names) if f"{prefix_name(step)}.json" in names)


def at_step(run_url: str, step: int) -> Found:
    """Return a run's checkpoint of ``step``, to be fetched: sizes are looked at, bytes are not.

    Raises CheckpointError or MissingFileError if it is not there any more, or not whole.
    """
    return listing.read(run_url, step, listing.sizes_in(run_url))


def locate(url: str) -> Found:
    """Find the checkpoint that a user names: a folder (its newest valid one) or a prefix.

    Either may be foreign (``.index`` and ``.data`` files, or one file as slim published them), without a manifest to
    be checked against: of a folder that has none at all the newest is taken that reads.

    A model whose weights can be taken is found as well, and has a ``kind``: see :mod:`.checkpoint_model`.

    Raises:
        UsageError: it is one file of a checkpoint, or a graph in text form.
        CheckpointError, MissingFileError: there is none, or none that is whole.
    """
    model = checkpoint_model.locate(url)
    if model is not None:
        return model
    if storage.is_dir(url):
        found = checkpoint_foreign.newest(url) or _newest_valid(url, _LOOKING)
        if found is None:
            others = checkpoint_named.others_in(url)
            raise CheckpointError(f"no checkpoint in {url!r}, wanted model.ckpt-N.index, .data-* and .json{others}")
        if not found.manifest:
            _log.warning(
                "%s has no manifest: it is taken as it is, the newest in its folder that reads", found.prefix_url
            )
        return found
    folder, name = storage.parent(url), storage.basename(url)
    sizes = listing.sizes_in(folder)
    checkpoint_named.refuse_file(url, sizes)
    names = [other for other in sizes if other == name or re.fullmatch(re.escape(name) + r"\.(index|data-.*)", other)]
    if not names:
        raise MissingFileError(f"no checkpoint {url!r}: neither a folder nor the prefix of checkpoint files")
    step = int(name.rpartition("-")[2]) if checkpoint_manifest.FILE.fullmatch(f"{name}.index") else -1
    if f"{name}.json" not in sizes or step < 0:
        return Found(step, url, names=tuple(names))
    found = listing.read(folder, step, sizes)
    verify(found)
    return found


def fetch(found: Found, scratch_dir: str) -> str:
    """Copy a checkpoint to this machine, and return the local prefix for TF.

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
    """Read a published checkpoint back; raise CheckpointError unless its bytes are those of the manifest."""
    folder = storage.parent(found.prefix_url)
    for name, wanted in found.manifest["files"].items():
        url = storage.join(folder, name)
        with storage.open_read(url) as source:
            checkpoint_manifest.compare(url, checkpoint_manifest.digest(cast(BinaryIO, source)), wanted)


def _newest_valid(run_url: str, words: tuple[str, str]) -> Found | None:
    found = _newest(run_url, verify, words)
    return found[0] if found else None


def _newest(
    run_url: str, prove: Callable[[Found], Any], words: tuple[str, str] = _RESUMING
) -> tuple[Found, Any] | None:
    """Return the newest checkpoint that ``prove`` raises no error for, and what it returned.

    ``words`` say what comes of it where there is none, and what to do then.
    """
    consequence, remedy = words
    sizes = listing.sizes_in(run_url)
    interrupted = listing.interrupted_in(sizes)
    skipped: list[tuple[int, str]] = []
    for step in sorted(listing.steps_named(sizes), reverse=True):
        if step in interrupted:
            skipped.append((step, "its save was interrupted"))
            continue
        try:
            found = dataclasses.replace(listing.read(run_url, step, sizes), skipped=tuple(skipped))
            return found, prove(found)
        except (CheckpointError, MissingFileError) as err:
            skipped.append((step, str(err)))
    lost = [(step, reason) for step, reason in skipped if step not in interrupted]
    if lost:
        told = "; ".join(f"step {step}: {reason}" for step, reason in lost[:3])
        raise CheckpointError(
            f"none of the {len(lost)} checkpoints in {run_url!r} is valid{consequence} ({told}); mend them, {remedy}"
        )
    if listing.POINTER in sizes:
        raise CheckpointError(
            f"{run_url!r} has the pointer file 'checkpoint' and no checkpoint{consequence}; bring the checkpoints back,"
            f" {remedy}"
        )
    return None
