"""HDFS as an fsspec file system over hdfs-native's client: no Java, and none of Hadoop's jars, in a Python process."""

from __future__ import annotations

import os
from typing import Any

from fsspec import AbstractFileSystem
from hdfs_native import Client, WriteOptions

from sparkcv.storage.hadoop import load_conf


class HdfsFileSystem(AbstractFileSystem):
    """The file system of one ``hdfs://authority``; paths are plain, a '#', '?' or '%' in them is only a name."""

    protocol = ("hdfs",)
    root_marker = "/"

    def __init__(self, url: str, **options: Any) -> None:
        super().__init__(**options)
        self.url = url
        conf = load_conf()
        self._client = Client(url, conf.values, conf.folder)

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        """Return ``name``, ``type`` and ``size``."""
        return _as_info(self._client.get_file_info(path))

    def exists(self, path: str, **_: Any) -> bool:
        """Tell whether it is there; raises if HDFS does not answer."""
        try:
            self._client.get_file_info(path)
        except FileNotFoundError:
            return False
        return True

    def ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        """List a folder."""
        found = [_as_info(status) for status in self._client.list_status(path)]
        return found if detail else [info["name"] for info in found]

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        """Make a folder and those above it."""
        if not exist_ok and self.exists(path):
            raise FileExistsError(path)
        self._client.mkdirs(path, create_parent=True)

    def mv(self, path1: str, path2: str, overwrite: bool = False, **_: Any) -> None:
        """Rename in one step on HDFS's side; a file over a file if ``overwrite``, never into a folder."""
        if overwrite and self.isdir(path2):
            raise IsADirectoryError(path2)
        self._client.rename(path1, path2, overwrite)

    def rm(self, path: str, recursive: bool = False, maxdepth: int | None = None) -> None:
        """Delete a file, or a folder with all it holds."""
        self._client.delete(path, recursive)

    def rm_file(self, path: str) -> None:
        """Delete a file."""
        self._client.delete(path, False)

    def rmdir(self, path: str) -> None:
        """Delete an empty folder."""
        self._client.delete(path, False)

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **_: Any) -> bytes:
        """Read the bytes ``[start, end)``."""
        reader = self._client.read(path)
        stop = len(reader) if end is None else min(end, len(reader))
        begin = min(start or 0, stop)
        return bytes(reader.read_range(begin, stop - begin))

    def _open(self, path: str, mode: str = "rb", **_: Any) -> Any:
        if mode == "rb":
            return _Reader(self._client.read(path))
        if mode == "wb":
            return self._client.create(path, WriteOptions(overwrite=True))
        return self._client.append(path)


class _Reader:
    def __init__(self, reader: Any) -> None:
        self._reader = reader
        self._offset = 0

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._offset, os.SEEK_END: len(self._reader)}[whence]
        self._offset = base + offset
        return self._offset

    def tell(self) -> int:
        return self._offset

    def read(self, num_bytes: int = -1) -> bytes:
        left = max(0, len(self._reader) - self._offset)  # hdfs-native panics past the end
        wanted = left if num_bytes < 0 else min(num_bytes, left)
        data = bytes(self._reader.read_range(self._offset, wanted)) if wanted else b""
        self._offset += len(data)
        return data

    def close(self) -> None:
        pass


def _as_info(status: Any) -> dict[str, Any]:
    return {"name": status.path, "type": "directory" if status.isdir else "file", "size": status.length}
