"""The file system of one ``hdfs://authority``, as fsspec wants it."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator
from typing import IO, Any

from fsspec import AbstractFileSystem
from hdfs_native import Client, FileStatus

from sparkcv.storage.hdfs.append import append
from sparkcv.storage.hdfs.link import Link
from sparkcv.storage.hdfs.reader import HdfsReader
from sparkcv.storage.hdfs.writer import HdfsWriter

_BATCH = 1000  # names that HDFS gives in one answer
_SIGNED = bytes(byte ^ 0x80 for byte in range(256))


class HdfsFileSystem(AbstractFileSystem):
    """HDFS; paths are plain, so a '#', '?' or '%' in them is only a name.

    Raises builtin errors for what is wrong with a path and FileSystemError for the rest, both without the URL.
    """

    protocol = ("hdfs",)
    root_marker = "/"

    def __init__(self, prefix: str, **options: Any) -> None:
        super().__init__(**options)
        self._link = Link(prefix)

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        """Return ``name``, ``type`` and ``size``."""
        return _as_info(self._link.run(lambda client: client.get_file_info(path)))

    def exists(self, path: str, **_: Any) -> bool:
        """Return whether it is there; raise if HDFS does not answer."""
        try:
            self.info(path)
        except FileNotFoundError:
            return False
        return True

    def ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        """List a folder."""
        found = self.scan(path)
        return list(found) if detail else [info["name"] for info in found]

    def scan(self, path: str) -> Iterator[dict[str, Any]]:
        """Yield a folder's entries in HDFS's order, holding a thousand at a time."""
        listing: Iterator[FileStatus] | None = None
        last = ""
        while True:
            on, anew = (functools.partial(_list, path, where, last) for where in (listing, None))
            batch, listing = self._link.run(on, again=anew)
            for status in batch:
                if status.path == path and not status.isdir:
                    raise NotADirectoryError(path)
                yield _as_info(status)
            if len(batch) < _BATCH:
                return
            last = batch[-1].path

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        """Make a folder and those above it."""
        if not exist_ok and self.exists(path):
            raise FileExistsError(path)
        mode = self._link.folder_mode
        self._link.run(lambda client: client.mkdirs(path, mode, create_parent=True), changes=True)

    def mv(self, path1: str, path2: str, overwrite: bool = False, **_: Any) -> None:
        """Rename in one step on HDFS's side; a file over a file if ``overwrite``, never into a folder."""

        def rename(client: Client) -> None:
            if overwrite and _type(client, path2) == "directory":
                raise IsADirectoryError(path2)
            client.rename(path1, path2, overwrite)

        def rename_again(client: Client) -> None:
            if _type(client, path1) is None and _type(client, path2) is not None:
                return  # it was done, its answer was lost
            rename(client)

        self._link.run(rename, changes=True, again=rename_again)

    def rm(self, path: str, recursive: bool = False, maxdepth: int | None = None) -> None:
        """Delete a file, or a folder with all it holds."""
        self._link.run(lambda client: client.delete(path, recursive), changes=True)

    def rm_file(self, path: str) -> None:
        """Delete a file."""
        self.rm(path)

    def rmdir(self, path: str) -> None:
        """Delete an empty folder."""
        self.rm(path)

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **_: Any) -> bytes:
        """Read the bytes ``[start, end)``."""
        reader = HdfsReader(self._link, path)
        reader.seek(start or 0)
        return reader.read(-1 if end is None else max(0, end - (start or 0)))

    def append(self, path: str, data: bytes) -> None:
        """Append to a file that is there; while HDFS does so, hdfs-native's readers do not see its last block."""
        append(self._link, path, data)

    def _open(self, path: str, mode: str = "rb", source: Callable[[], IO[bytes]] | None = None, **_: Any) -> Any:
        """Open a file; ``source`` opens what will be written, from its start, if that is still at hand."""
        return HdfsReader(self._link, path) if mode == "rb" else HdfsWriter(self._link, path, source)


def _list(
    path: str, listing: Iterator[FileStatus] | None, last: str, client: Client
) -> tuple[list[FileStatus], Iterator[FileStatus]]:
    if listing is None:
        listing = itertools.dropwhile(lambda status: _order(status.path) <= _order(last), client.list_status(path))
    return list(itertools.islice(listing, _BATCH)), listing


def _order(path: str) -> bytes:
    """Return the key by which HDFS sorts: the UTF-8 bytes as signed numbers, so that non-ASCII letters come first."""
    return path.encode().translate(_SIGNED)


def _type(client: Client, path: str) -> str | None:
    try:
        return str(_as_info(client.get_file_info(path))["type"])
    except FileNotFoundError:
        return None


def _as_info(status: FileStatus) -> dict[str, Any]:
    return {"name": status.path, "type": "directory" if status.isdir else "file", "size": status.length}
