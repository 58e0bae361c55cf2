"""What a user names as a checkpoint and is only near it: one of its files, or its folder.

TensorFlow says of most of them only that they are no table, once a role has started and fetched them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from sparkcv import storage
from sparkcv.errors import CheckpointError, UsageError
from sparkcv.rundir import checkpoint_listing as listing

__all__ = ["others_in", "pointed", "refuse_file"]

_ONE_FILE = re.compile(r"(?P<prefix>.+)\.(index|meta|json|data-[0-9]{5}-of-[0-9]{5})")
_SHOWN = 3


def refuse_file(url: str, sizes: Mapping[str, int]) -> None:
    """Raise UsageError if the file at ``url`` is one of several of a checkpoint.

    ``sizes`` is the listing of its folder. A file that is not there, and a checkpoint of one
    file, pass.
    """
    folder, name = storage.parent(url), storage.basename(url)
    if name == listing.POINTER and name in sizes:
        raise UsageError(
            f"--checkpoint_path {url} is the file that names the newest checkpoint of its folder; name the folder:"
            f" --checkpoint_path {folder}"
        )
    part = _ONE_FILE.fullmatch(name)
    if part is not None and (name in sizes or f"{part['prefix']}.index" in sizes):
        prefix = part["prefix"]
        raise UsageError(
            f"--checkpoint_path {url} is one file of the checkpoint {prefix}; name that: --checkpoint_path"
            f" {storage.join(folder, prefix)}"
        )


def pointed(folder: str) -> str:
    """Return the prefix of the checkpoint that the file ``checkpoint`` of a folder names: the newest, to TensorFlow.

    Raises CheckpointError where there is no such file, or it names none.
    """
    pointer = storage.join(folder, listing.POINTER)
    if not storage.exists(pointer):
        raise CheckpointError(f"folder {folder} has no file '{listing.POINTER}' that names its newest checkpoint")
    match = re.search(r'^model_checkpoint_path:\s*"([^"]+)"', storage.read_text(pointer), re.MULTILINE)
    if match is None:
        raise CheckpointError(f"{pointer} does not name a checkpoint")
    # Whatever folder it was written in: the files lie beside the pointer now.
    return storage.join(folder, match[1].rstrip("/").rsplit("/", 1)[-1])


def others_in(url: str) -> str:
    """Return what to add to an error about a folder without model.ckpt-N: the prefixes that it does hold, or ""."""
    sizes = listing.sizes_in(url)
    found = [name.removesuffix(".index") for name in sizes if name.endswith(".index")]
    found += [name for name in sizes if name.endswith(".ckpt")]
    if not found:
        return ""
    return f"; there are, to be named whole: {', '.join(storage.join(url, name) for name in sorted(found)[:_SHOWN])}"
