"""Look at what is stored: existence, sizes, listings, trees."""

from __future__ import annotations

import os
import pathlib
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fsspec import AbstractFileSystem

from sparkcv.errors import MissingFileError, StorageError
from sparkcv.storage.clients import is_hdfs, look_up, open_fs
from sparkcv.storage.names import folder_prefix, local_path
from sparkcv.storage.translate import translated


@dataclass(frozen=True, slots=True)
class Entry:
    """One file or folder of a listing; ``size`` is in bytes and 0 for a folder."""

    url: str
    name: str
    size: int
    is_dir: bool


def exists(url: str) -> bool:
    """Return whether a file or folder is there; raise if the store does not answer."""
    return look_up(url) is not None


def is_dir(url: str) -> bool:
    """Return whether the URL is a folder that is there."""
    found = look_up(url)
    return found is not None and found["type"] == "directory"


def is_link(url: str) -> bool:
    """Return whether the URL is a symbolic link, whatever it leads to; only local file systems have them."""
    path = local_path(url)
    return path is not None and os.path.islink(path)


def leads_back(url: str) -> bool:
    """Return whether the URL is a symbolic link to a folder through which it was reached, so that a walk never ends.

    It may be one of several that make a circle together: each folder on the way counts, by what it really is.
    """
    path = local_path(url)
    if path is None or not os.path.islink(path):
        return False
    target, above = os.path.realpath(path), pathlib.PurePath(path).parents
    return any(os.path.commonpath([target, here]) == target for here in map(os.path.realpath, above))


def size(url: str) -> int:
    """Return a file's size in bytes; raise MissingFileError, or StorageError for a folder."""
    found = look_up(url)
    if found is None:
        raise MissingFileError(f"no such file: {url!r}")
    if found["type"] == "directory":
        raise StorageError(f"{url!r} is a folder, a file was wanted")
    return int(found["size"])


def list_dir(url: str) -> list[Entry]:
    """List one folder, sorted by name; raise MissingFileError, or StorageError for a file.

    Symbolic links count as what they lead to. Pipes, sockets and devices are left out: opening one may block for ever.
    """
    return sorted(iter_dir(url), key=lambda entry: entry.name)


def iter_dir(url: str) -> Iterator[Entry]:
    """Yield what ``list_dir`` returns, in the store's own order; hold at most a thousand entries on HDFS."""
    fs, path = open_fs(url)
    folder = folder_prefix(url)
    is_local = local_path(url) is not None
    with translated(url, "list"):
        for info in _scan_local(path) if is_local else _scan(fs, path):
            name = str(info["name"]).rstrip("/").rpartition("/")[2]
            is_folder = info["type"] == "directory"
            yield Entry(folder + name, name, 0 if is_folder else int(info["size"] or 0), is_folder)


def _scan(fs: AbstractFileSystem, path: str) -> Iterator[dict[str, Any]]:
    for info in fs.scan(path) if is_hdfs(fs) else fs.ls(path, detail=True):
        name = str(info["name"])
        if name.strip("/") != path.strip("/"):
            yield info
        elif info["type"] == "file" and not name.endswith("/"):
            raise NotADirectoryError(path)
        # else: object stores list a folder's own marker, as a folder or as a file whose name ends with a slash


def _scan_local(path: str) -> Iterator[dict[str, Any]]:
    # fsspec's own listing calls a link to a folder "other", and takes three system calls an entry.
    with os.scandir(path) as entries:
        for entry in entries:
            try:
                status = entry.stat()
            except OSError as err:  # a link to nothing, to itself or to what is denied: reading it will say so
                if not entry.is_symlink() and not isinstance(err, FileNotFoundError):
                    raise
                yield {"name": entry.name, "type": "file", "size": 0}
                continue
            if stat.S_ISDIR(status.st_mode):
                yield {"name": entry.name, "type": "directory"}
            elif stat.S_ISREG(status.st_mode):
                yield {"name": entry.name, "type": "file", "size": status.st_size}


def walk(url: str) -> Iterator[Entry]:
    """Yield every file below a folder, depth first and sorted by name; hold one folder's listing for each level.

    A symbolic link that leads back to a folder it lies in raises StorageError: it would never end.
    """
    for entry in list_dir(url):
        if not entry.is_dir:
            yield entry
            continue
        if leads_back(entry.url):
            target = os.path.realpath(local_path(entry.url) or "")
            raise StorageError(f"the symbolic link {entry.url!r} leads back to {target!r}, which holds it")
        yield from walk(entry.url)
