"""Checkpoints at rest: which one of a run's folder can be trusted, and how one gets in and out of it.

A checkpoint is TF's files ``model.ckpt-N.index`` and ``model.ckpt-N.data-*`` and, published after them, our manifest
``model.ckpt-N.json``: without a manifest that fits byte for byte it does not count, whatever the pointer file
``checkpoint`` says. The pointer, in TF's own text format, is written last and only for TF's own tools.

While a save is under way a marker ``.saving-N`` stands beside it. It tells a first save that was cut short (the run
starts again at step 0, which is where it was) from a run whose checkpoints were lost (refused: never step 0).

Nothing here imports TensorFlow: the driver looks for checkpoints too.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import time
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, cast

import google_crc32c

from sparkcv import logs, storage
from sparkcv.errors import CheckpointError, MissingFileError, StorageError

__all__ = [
    "Found",
    "clean",
    "fetch",
    "fetch_newest",
    "locate",
    "newest_step",
    "newest_valid",
    "prefix_name",
    "publish",
    "verify",
]

SCHEMA = 1
_BLOCK_BYTES = 1 << 20
_FILE = re.compile(r"model\.ckpt-(0|[1-9][0-9]{0,17})\.(json|index|meta|data-[0-9]{5}-of-[0-9]{5})")
_MARKER = re.compile(r"\.saving-(0|[1-9][0-9]{0,17})")
_LEFTOVER = re.compile(r"\.(checkpoint|model\.ckpt-[0-9]+\.[a-z0-9-]+)\.tmp-[0-9a-zA-Z_-]+")
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


def prefix_name(step: int) -> str:
    """Return the name that TF calls the prefix of a step's checkpoint: ``model.ckpt-<step>``."""
    return f"model.ckpt-{step}"


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
    return max((int(at[1]) for name in _sizes(run_url) if (at := _FILE.fullmatch(name))), default=0)


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
    step = int(name.rpartition("-")[2]) if _FILE.fullmatch(f"{name}.index") else -1
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
            with open(path, "rb") as source:
                _compare(url, _digest(source), found.manifest["files"][name])
    return os.path.join(local_dir, storage.basename(found.prefix_url))


def verify(found: Found) -> None:
    """Read a published checkpoint back; raises CheckpointError unless its bytes are those of the manifest."""
    folder = storage.parent(found.prefix_url)
    for name, wanted in found.manifest["files"].items():
        url = storage.join(folder, name)
        with storage.open_read(url) as source:
            _compare(url, _digest(cast(BinaryIO, source)), wanted)


def publish(
    local_prefix: str,
    step: int,
    run_url: str,
    *,
    model_name: str,
    extra: Mapping[str, Any] | None = None,
    keep: int = 5,
) -> Found:
    """Put a local checkpoint into the run's folder: files, then manifest, then pointer; older ones than ``keep`` go.

    ``local_prefix`` has the published name (``.../model.ckpt-<step>``). ``extra`` is added to the manifest. A valid
    checkpoint of that step that is there already stays.
    """
    local_dir, prefix = os.path.split(local_prefix)
    names = sorted(name for name in os.listdir(local_dir) if name.startswith(prefix + ".") and _FILE.fullmatch(name))
    if prefix != prefix_name(step) or f"{prefix}.index" not in names:
        raise CheckpointError(f"no files of checkpoint {prefix_name(step)} at {local_prefix!r}")
    manifest: dict[str, Any] = {
        "schema": SCHEMA,
        "step": step,
        "model_name": model_name,
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        **(extra or {}),
        "files": {},
    }
    there = _valid_already(run_url, step)
    if there is not None:  # replacing it would open a moment without any
        return there
    marker = storage.join(run_url, f".saving-{step}")
    storage.write_text(marker, "a save is under way, or was interrupted\n")
    # A damaged checkpoint of this step must not vouch for our files.
    storage.delete(storage.join(run_url, f"{prefix}.json"))
    for name in names:
        path, url = os.path.join(local_dir, name), storage.join(run_url, name)
        with open(path, "rb") as source:
            manifest["files"][name] = _digest(source)
        storage.publish(path, url)
        arrived = storage.size(url)
        if arrived != manifest["files"][name]["bytes"]:
            raise CheckpointError(f"{url!r} has {arrived} bytes, {manifest['files'][name]['bytes']} were sent")
    storage.write_json(storage.join(run_url, f"{prefix}.json"), manifest)
    storage.delete(marker)
    kept = _prune(run_url, step, keep)
    storage.write_text(storage.join(run_url, _POINTER), _pointer_text(kept))
    return Found(step, storage.join(run_url, prefix), manifest=manifest, names=tuple(names))


def clean(run_url: str) -> list[str]:
    """Delete what interrupted saves left in a run's folder; returns the names. Only for the run's one writer."""
    sizes = _sizes(run_url)
    interrupted = _interrupted(sizes)
    gone = [name for name in sizes if _LEFTOVER.fullmatch(name) or _MARKER.fullmatch(name)]
    gone = [name for name in sizes if (at := _FILE.fullmatch(name)) and int(at[1]) in interrupted] + gone
    for name in gone:  # a marker goes after the files that it explains
        storage.delete(storage.join(run_url, name))
    return gone


def _newest(run_url: str, prove: Callable[[Found], Any]) -> tuple[Found, Any] | None:
    """Return the newest checkpoint that ``prove`` raises no error for, and what it returned."""
    sizes = _sizes(run_url)
    interrupted = _interrupted(sizes)
    steps = sorted({int(at[1]) for name in sizes if (at := _FILE.fullmatch(name))}, reverse=True)
    skipped: list[tuple[int, str]] = []
    for step in steps:
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
            f" again from step 0 ({told}); mend them, or name another --train_dir"
        )
    if _POINTER in sizes:
        raise CheckpointError(
            f"{run_url!r} has the pointer file 'checkpoint' and no checkpoint, so the run cannot resume and will not"
            " start again from step 0; bring the checkpoints back, or name another --train_dir"
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
    _check_manifest(manifest, step, url)
    for name, wanted in manifest["files"].items():
        if name not in sizes:
            raise CheckpointError(f"its file {name} is missing")
        if sizes[name] != wanted["bytes"]:
            raise CheckpointError(f"its file {name} has {sizes[name]} bytes, its manifest says {wanted['bytes']}")
    return Found(step, storage.join(run_url, prefix), manifest=manifest, names=tuple(sorted(manifest["files"])))


def _check_manifest(manifest: Any, step: int, url: str) -> None:
    files = manifest.get("files") if isinstance(manifest, dict) else None
    if not isinstance(files, dict) or manifest.get("schema") != SCHEMA or manifest.get("step") != step:
        raise CheckpointError(f"{url!r} is no manifest of schema {SCHEMA} for step {step}")
    for name, file in files.items():
        at = _FILE.fullmatch(name)
        numbers = [file.get("bytes"), file.get("crc32c")] if isinstance(file, dict) else [None]
        if not at or int(at[1]) != step or not all(isinstance(number, int) for number in numbers):
            raise CheckpointError(f"{url!r} has a bad entry for the file {name!r}")
    kinds = {name.rpartition(".")[2].partition("-")[0] for name in files}
    if not {"index", "data"} <= kinds:
        raise CheckpointError(f"{url!r} names no index or no data file")


def _prune(run_url: str, step: int, keep: int) -> list[int]:
    """Delete the checkpoints that are older than the ``keep`` newest up to ``step``; returns the steps kept."""
    names = _sizes(run_url)
    steps = sorted({int(at[1]) for name in names if (at := _FILE.fullmatch(name)) and int(at[1]) <= step})
    for old in steps[: -max(1, keep)]:
        mine = [name for name in names if (at := _FILE.fullmatch(name)) and int(at[1]) == old]
        for name in sorted(mine, key=lambda name: not name.endswith(".json")):  # what vouches for it goes first
            storage.delete(storage.join(run_url, name))
    return steps[-max(1, keep) :]


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


def _digest(source: BinaryIO) -> dict[str, int]:
    checksum, total = google_crc32c.Checksum(), 0
    while block := source.read(_BLOCK_BYTES):
        checksum.update(block)
        total += len(block)
    return {"bytes": total, "crc32c": int.from_bytes(checksum.digest(), "big")}


def _compare(url: str, got: Mapping[str, int], wanted: Mapping[str, int]) -> None:
    if got["bytes"] != wanted["bytes"]:
        raise CheckpointError(f"{url!r} has {got['bytes']} bytes, its manifest says {wanted['bytes']}")
    if got["crc32c"] != wanted["crc32c"]:
        raise CheckpointError(f"{url!r} has crc32c {got['crc32c']:08x}, its manifest says {wanted['crc32c']:08x}")
