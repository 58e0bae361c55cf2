"""Reading stored files: ranges, text, JSON, streams, and whole copies to this machine."""

from __future__ import annotations

import contextlib
import io
import json
import os
from typing import IO, Any

from fsspec import AbstractFileSystem

from sparkcv.errors import StorageError
from sparkcv.storage.clients import COPY_BYTES, is_hdfs, name_aside, open_fs
from sparkcv.storage.listing import size, walk
from sparkcv.storage.names import relative
from sparkcv.storage.translate import TranslatedFile, translated, translated_own

_BLOCK_BYTES = 1 << 18  # stays in a processor's cache


def read_bytes(url: str, start: int = 0, end: int | None = None) -> bytes:
    """Read the bytes ``[start, end)`` of a file (to its end when ``end`` is None)."""
    fs, path = open_fs(url)
    with translated(url, "read"):
        return bytes(fs.cat_file(path, start=start or None, end=end))


def read_text(url: str) -> str:
    """Read a UTF-8 file; raise StorageError if it is not UTF-8."""
    try:
        return read_bytes(url).decode("utf-8")
    except UnicodeDecodeError as err:
        raise StorageError(f"{url!r} is not UTF-8 text: byte {err.start} is 0x{err.object[err.start]:02x}") from err


def read_json(url: str) -> Any:
    """Read a JSON file; raise StorageError with line and column if it is not JSON."""
    text = read_text(url)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as err:  # a number of thousands of digits is no JSONDecodeError
        raise StorageError(f"{url!r} is not JSON: {err}") from err


def holds_no_json(err: StorageError) -> bool:
    """Tell whether :func:`read_json` read the file and could make nothing of it; else it could not read it."""
    return isinstance(err.__cause__, (ValueError, RecursionError))


def open_read(url: str) -> IO[bytes]:
    """Open a file for buffered binary reading (a context manager); its read errors are translated too."""
    fs, path = open_fs(url)
    with translated(url, "open"):
        if "memory" in fs.protocol:
            # fsspec hands every reader of a memory file the same object, with one position for all.
            return io.BytesIO(fs.cat_file(path))
        return io.BufferedReader(TranslatedFile(fs.open(path, "rb"), url), COPY_BYTES)


def fetch(url: str, local_path: str | os.PathLike[str]) -> int:
    """Copy a stored file to a local path, atomically; return its size in bytes."""
    target = os.fspath(local_path)
    aside = name_aside(target)
    try:
        fs, path = open_fs(url)
        if is_hdfs(fs):
            copied = _fetch_from_hdfs(fs, path, url, target, aside)
        else:
            with open_read(url) as source, translated(target, "write"), open(aside, "wb") as sink:
                block = memoryview(bytearray(_BLOCK_BYTES))  # one for all: new memory for each costs more than the copy
                while count := source.readinto(block):  # type: ignore[attr-defined]
                    sink.write(block[:count])
                copied = sink.tell()
            wanted = size(url)
            if copied != wanted:
                raise StorageError(f"{url!r} gave {copied} bytes, its file system says {wanted}")
        with translated(target, "write"):
            os.replace(aside, target)
    finally:
        with contextlib.suppress(OSError):
            os.unlink(aside)
    return copied


def fetch_dir(url: str, local_dir: str | os.PathLike[str]) -> int:
    """Copy every file below a stored folder to a local folder, which is made; return the sum of their sizes in bytes.

    Each file appears whole, the folder file by file.
    """
    target = os.fspath(local_dir)
    copied = 0
    with translated(target, "write"):
        os.makedirs(target, exist_ok=True)
    for entry in walk(url):
        path = os.path.join(target, relative(entry.url, url))
        with translated(target, "write"):
            os.makedirs(os.path.dirname(path), exist_ok=True)
        copied += fetch(entry.url, path)
    return copied


def _fetch_from_hdfs(fs: AbstractFileSystem, path: str, url: str, target: str, aside: str) -> int:
    """Copy hdfs-native's stream into the file without a buffer in between; the reader checks the size."""
    with translated(url, "open"):
        source = fs.open(path, "rb")
    with contextlib.closing(source), translated(target, "write"), open(aside, "wb", buffering=COPY_BYTES) as sink:
        with translated_own(url, "read"):
            source.copy_to(sink)
        return sink.tell()
