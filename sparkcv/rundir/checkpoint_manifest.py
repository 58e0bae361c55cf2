"""The JSON beside a checkpoint that vouches for its bytes: what it says, and how files are held against it.

Nothing here imports TensorFlow: the driver looks for checkpoints too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, BinaryIO

import google_crc32c

from sparkcv.errors import CheckpointError

__all__ = ["FILE", "SCHEMA", "check", "compare", "digest", "digest_of", "prefix_name"]

SCHEMA = 1
FILE = re.compile(r"model\.ckpt-(0|[1-9][0-9]{0,17})\.(json|index|meta|data-[0-9]{5}-of-[0-9]{5})")
"""The name of a file of a checkpoint, with its step and its kind."""

_BLOCK_BYTES = 1 << 20


def prefix_name(step: int) -> str:
    """Return the name that TF calls the prefix of a step's checkpoint: ``model.ckpt-<step>``."""
    return f"model.ckpt-{step}"


def check(manifest: Any, step: int, url: str) -> None:
    """Raise CheckpointError unless ``manifest``, as read from ``url``, is one of ``step``."""
    files = manifest.get("files") if isinstance(manifest, dict) else None
    if not isinstance(files, dict) or manifest.get("schema") != SCHEMA or manifest.get("step") != step:
        raise CheckpointError(f"{url!r} is no manifest of schema {SCHEMA} for step {step}")
    for name, file in files.items():
        at = FILE.fullmatch(name)
        numbers = [file.get("bytes"), file.get("crc32c")] if isinstance(file, dict) else [None]
        if not at or int(at[1]) != step or not all(isinstance(number, int) for number in numbers):
            raise CheckpointError(f"{url!r} has a bad entry for the file {name!r}")
    kinds = {name.rpartition(".")[2].partition("-")[0] for name in files}
    if not {"index", "data"} <= kinds:
        raise CheckpointError(f"{url!r} names no index or no data file")


def digest_of(path: str) -> dict[str, int]:
    """Return the ``bytes`` and ``crc32c`` of a local file."""
    with open(path, "rb") as source:
        return digest(source)


def digest(source: BinaryIO) -> dict[str, int]:
    """Return the ``bytes`` and ``crc32c`` of what is left to read of ``source``."""
    checksum, total = google_crc32c.Checksum(), 0
    while block := source.read(_BLOCK_BYTES):
        checksum.update(block)
        total += len(block)
    return {"bytes": total, "crc32c": int.from_bytes(checksum.digest(), "big")}


def compare(url: str, got: Mapping[str, int], wanted: Mapping[str, int]) -> None:
    """Raise CheckpointError unless the digest of ``url`` is the wanted one."""
    if got["bytes"] != wanted["bytes"]:
        raise CheckpointError(f"{url!r} has {got['bytes']} bytes, its manifest says {wanted['bytes']}")
    if got["crc32c"] != wanted["crc32c"]:
        raise CheckpointError(f"{url!r} has crc32c {got['crc32c']:08x}, its manifest says {wanted['crc32c']:08x}")
