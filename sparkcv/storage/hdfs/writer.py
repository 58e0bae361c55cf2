"""Write one new file of HDFS, from its first byte again when hdfs-native cannot go on with it."""

from __future__ import annotations

import contextlib
import functools
import os
import tempfile
from collections.abc import Callable, Generator
from typing import IO, Any

from hdfs_native import Client

from sparkcv.errors import StorageError
from sparkcv.storage.hdfs.bounded_calls import beat
from sparkcv.storage.hdfs.link import Link
from sparkcv.storage.translate import FileSystemError

_COPY_BYTES = 4 << 20
_MEMORY_BYTES = 32 << 20


class HdfsWriter:
    """A file that is open for writing, replacing one of that name.

    hdfs-native cannot go on with a file whose NameNode changed at a bad moment. So what was written is kept, unless
    ``source`` opens the same bytes from their start, and is written once more.
    """

    def __init__(self, link: Link, path: str, source: Callable[[], IO[bytes]] | None = None) -> None:
        self._link, self._path, self._source = link, path, source
        self._kept = _Kept() if source is None else None
        self._num_bytes = 0
        self._is_closed = False
        self._sink: Any = link.run(functools.partial(link.create, path), changes=True)

    def write(self, data: Any) -> int:
        """Write bytes."""
        if self._is_closed:
            raise FileSystemError(StorageError, "it was closed, or broke before")
        data = bytes(data)
        if self._kept is not None:
            self._kept.add(data)
        self._num_bytes += len(data)
        self._sink = self._try(functools.partial(_write, self._sink, data), self._write_again)
        return len(data)

    def close(self) -> None:
        """Close the file, which is complete to HDFS only then; do nothing for one that broke."""
        if self._is_closed:
            return
        self._try(functools.partial(_end, self._sink), lambda client: _end(self._write_again(client), client))
        self._release()

    def _try(self, first: Callable[[Client], Any], again: Callable[[Client], Any]) -> Any:
        try:
            return self._link.run(first, changes=True, moves_data=True, again=again)
        except BaseException:
            self._release()
            raise

    def _release(self) -> None:
        self._is_closed = True
        self._sink = None
        if self._kept is not None:
            self._kept.close()

    def _write_again(self, client: Client) -> Any:
        sink, num_bytes = self._link.create(self._path, client), 0
        pieces = self._kept.pieces() if self._kept is not None else _pieces_of(self._source)
        with contextlib.closing(pieces):  # also when writing once more fails
            for piece in pieces:
                piece = piece[: self._num_bytes - num_bytes]
                if not piece:
                    break
                sink.write(piece)
                num_bytes += len(piece)
                beat()
        if num_bytes < self._num_bytes:
            raise FileSystemError(
                StorageError, f"what was written to it is no longer there, {num_bytes} bytes are left"
            )
        return sink


class _Kept:
    """The bytes written so far: the first 32 MB in memory, more on this machine's disk."""

    def __init__(self) -> None:
        self._memory = bytearray()
        self._file: IO[bytes] | None = None
        self._is_whole = True

    def add(self, data: bytes) -> None:
        if self._file is None and len(self._memory) + len(data) <= _MEMORY_BYTES:
            self._memory += data
        elif self._is_whole:
            try:
                if self._file is None:
                    self._file = tempfile.TemporaryFile()  # noqa: SIM115 - close() closes it
                self._file.write(data)
                self._file.flush()
            except OSError:  # the disk is full: it can be written, but not once more
                self._is_whole = False

    def pieces(self) -> Generator[bytes, None, None]:
        """Yield them by offset: an abandoned reader may still move a shared position."""
        for start in range(0, len(self._memory), _COPY_BYTES):
            yield bytes(self._memory[start : start + _COPY_BYTES])
        offset = 0
        while self._file is not None and (data := os.pread(self._file.fileno(), _COPY_BYTES, offset)):
            yield data
            offset += len(data)

    def close(self) -> None:
        self._memory = bytearray()
        if self._file is not None:
            self._file.close()


def _pieces_of(source: Callable[[], IO[bytes]] | None) -> Generator[bytes, None, None]:
    if source is not None:
        with source() as file:
            while data := file.read(_COPY_BYTES):
                yield data


def _write(sink: Any, data: bytes, _: Client) -> Any:
    sink.write(data)
    return sink


def _end(sink: Any, _: Client) -> None:
    sink.close()
