"""Looking at what is there: existence, sizes, listings, trees."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from sparkcv.errors import MissingFileError, StorageError
from sparkcv.storage.clients import look_up, open_fs
from sparkcv.storage.names import local_path
from sparkcv.storage.translate import translated


@dataclass(frozen=True)
class Entry:
    """One file or folder of a listing; ``size`` is in bytes and 0 for a folder."""

    url: str
    name: str
    size: int
    is_dir: bool


def exists(url: str) -> bool:
    """Tell whether a file or folder is there; a store that does not answer raises, it is never a no."""
    return look_up(url) is not None


def is_dir(url: str) -> bool:
    """Tell whether the URL is a folder that is there."""
    found = look_up(url)
    return found is not None and found["type"] == "directory"


def size(url: str) -> int:
    """Return a file's size in bytes; raises MissingFileError, or StorageError for a folder."""
    found = look_up(url)
    if found is None:
        raise MissingFileError(f"no such file: {url!r}")
    if found["type"] == "directory":
        raise StorageError(f"{url!r} is a folder, a file was wanted")
    return int(found["size"])


def list_dir(url: str) -> list[Entry]:
    """List one folder, sorted by name; raises MissingFileError, or StorageError for a file."""
    fs, path = open_fs(url)
    with translated(url, "list"):
        infos = fs.ls(path, detail=True)
    entries = []
    for info in infos:
        full = str(info["name"]).rstrip("/")
        if full.strip("/") == path.strip("/"):
            if info["type"] == "file":
                raise StorageError(f"{url!r} is a file, a folder was wanted")
            continue  # object stores list a folder's own marker
        name = full.rpartition("/")[2]
        folder = info["type"] == "directory"
        entries.append(Entry(f"{url.rstrip('/')}/{name}", name, 0 if folder else int(info["size"] or 0), folder))
    return sorted(entries, key=lambda entry: entry.name)


def walk(url: str) -> Iterator[Entry]:
    """Yield every file below a folder, depth first and sorted by name; holds one folder's listing a level.

    A symbolic link that leads back to a folder it lies in raises StorageError: it would never end.
    """
    for entry in list_dir(url):
        if not entry.is_dir:
            yield entry
            continue
        local = local_path(entry.url)
        if local is not None and os.path.islink(local):
            target, here = os.path.realpath(local), os.path.realpath(os.path.dirname(local))
            if os.path.commonpath([target, here]) == target:
                raise StorageError(f"the symbolic link {entry.url!r} leads back to {target!r}, which holds it")
        yield from walk(entry.url)
