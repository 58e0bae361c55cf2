"""A model in place of a checkpoint: a frozen graph, a SavedModel or TensorFlow Lite files, whose weights are wanted.

Which files belong to it is said here, without TensorFlow; :mod:`sparkcv.train.imported` makes a checkpoint of them.
"""

from __future__ import annotations

import os

from sparkcv import storage
from sparkcv.errors import CheckpointError, MissingFileError, UsageError
from sparkcv.rundir import checkpoint_index
from sparkcv.rundir import checkpoint_listing as listing
from sparkcv.rundir.checkpoint_listing import Found

__all__ = ["GRAPH", "SAVED_MODEL", "TFLITE", "fetch", "folder_of", "locate", "resolve"]

GRAPH, SAVED_MODEL, TFLITE = "frozen graph", "SavedModel", "TensorFlow Lite model"

_LITE = ".tflite"
_FROZEN = "frozen_inference_graph.pb"
_SAVED, _VARIABLES = "saved_model.pb", "variables"


def resolve(text: str) -> str:
    """Make the paths of ``--checkpoint_path`` absolute: one, or the ``.tflite`` parts of one net between commas."""
    if "," in text and all(part.strip().endswith(_LITE) for part in text.split(",")):
        return ",".join(storage.resolve(part.strip()) for part in text.split(","))
    return storage.resolve(text)


def locate(url: str) -> Found | None:
    """Return the model at ``url``, None where there is none: it is a checkpoint then, or nothing.

    A folder is a SavedModel's, or one that an export wrote, whose frozen graph is taken.

    Raises:
        UsageError: a graph in text form.
        MissingFileError, CheckpointError: a part that is not there, a SavedModel that is half deleted.
    """
    if url.endswith(_LITE) and ("," in url or storage.exists(url)):
        for part in url.split(","):
            if not storage.exists(part):
                raise MissingFileError(f"no TensorFlow Lite model {part!r}")
        return Found(-1, url, kind=TFLITE)
    if storage.is_dir(url):
        return _in_folder(url)
    if url.endswith(".pbtxt") and storage.exists(url):
        raise UsageError(
            f"--checkpoint_path {url} is a graph in text form; wanted a frozen graph in binary form (.pb), or a"
            " checkpoint, a folder or a prefix such as .../model.ckpt-12"
        )
    if not url.endswith(".pb") or not storage.exists(url) or storage.exists(f"{url}.index"):
        return None
    if storage.basename(url) == _SAVED:
        return _in_folder(storage.parent(url))
    return None if checkpoint_index.is_table(url) else Found(-1, url, names=(storage.basename(url),), kind=GRAPH)


def _in_folder(url: str) -> Found | None:
    sizes = listing.sizes_in(url)
    if _SAVED in sizes:
        folder = storage.join(url, _VARIABLES)
        variables = tuple(sorted(f"{_VARIABLES}/{name}" for name in listing.sizes_in(folder)))
        if variables:
            if f"{_VARIABLES}/{_VARIABLES}.index" not in variables:
                raise CheckpointError(f"the SavedModel {url!r} is half deleted: variables.index is missing")
            checkpoint_index.read(storage.join(folder, _VARIABLES)).check_sizes(listing.sizes_in(folder))
        return Found(-1, url, names=(_SAVED, *variables), kind=SAVED_MODEL)
    if f"{_VARIABLES}.index" in listing.sizes_in(storage.join(url, _VARIABLES)):
        raise CheckpointError(f"the SavedModel {url!r} is half deleted: {_SAVED} is missing")
    if _FROZEN in sizes:
        return Found(-1, storage.join(url, _FROZEN), names=(_FROZEN,), kind=GRAPH)
    return None


def folder_of(found: Found) -> str:
    """Return the folder in which an export that wrote the model would have left ``model.json``."""
    return storage.parent(found.prefix_url.split(",")[0])


def fetch(found: Found, scratch_dir: str) -> list[str]:
    """Copy a model to this machine; return its local files, or the one folder of a SavedModel."""
    if found.kind == SAVED_MODEL:
        local = os.path.join(scratch_dir, "started-from")
        os.makedirs(os.path.join(local, _VARIABLES), exist_ok=True)
        for name in found.names:
            storage.fetch(storage.join(found.prefix_url, name), os.path.join(local, name))
        return [local]
    parts = []
    for number, url in enumerate(found.prefix_url.split(",") if found.kind == TFLITE else [found.prefix_url]):
        parts.append(os.path.join(scratch_dir, f"started-from-{number}"))
        storage.fetch(url, parts[-1])
    return parts
