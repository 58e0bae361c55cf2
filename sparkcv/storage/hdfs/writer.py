"""Writing one new file of HDFS: begun again from its first byte when HDFS lost the thread of it."""

from __future__ import annotations

import contextlib
import functools
import tempfile
from collections.abc import Callable
from typing import IO, Any

from hdfs_native import Client, WriteOptions

from sparkcv.storage.hdfs.link import Link

_COPY_BYTES = 4 << 20
_MEMORY_BYTES = 32 << 20


class HdfsWriter:
    """A file that is open for writing, in place of one of that name.

    hdfs-native cannot go on with a file whose NameNode changed at a bad moment. So what was written is kept, unless
    ``source`` opens the same bytes from their start, and is written once more.
    """

    def __init__(self, link: Link, path: str, source: Callable[[], IO[bytes]] | None = None) -> None:
        self._link, self._path, self._source = link, path, source
        self._kept: IO[bytes] | None = None
        if source is None:
            self._kept = tempfile.SpooledTemporaryFile(_MEMORY_BYTES)  # noqa: SIM115 - close() closes it
        self._num_bytes = 0
        self._is_closed = False
        self._sink: Any = link.run(self._create, changes=True)

    def write(self, data: Any) -> int:
        """Write bytes."""
        data = bytes(data)
        self._keep(data)
        self._num_bytes += len(data)
        first = functools.partial(_write, self._sink, data)
        self._sink = self._try(first, self._write_again)
        return len(data)

    def close(self) -> None:
        """End the file, which HDFS does not call whole before."""
        if self._is_closed:
            return
        self._is_closed = True
        try:
            self._try(functools.partial(_end, self._sink), lambda client: _end(self._write_again(client), client))
        finally:
            self._sink = None
            if self._kept is not None:
                self._kept.close()

    def _try(self, first: Callable[[Client], Any], again: Callable[[Client], Any]) -> Any:
        can_be_repeated = self._source is not None or self._kept is not None
        try:
            return self._link.run(first, changes=True, again=again if can_be_repeated else None)
        except BaseException:
            self._is_closed = True  # there is nothing to end
            raise

    def _keep(self, data: bytes) -> None:
        if self._kept is not None:
            try:
                self._kept.write(data)
            except OSError:  # the local disk is full: the file can still be written, but not twice
                self._kept.close()
                self._kept = None

    def _create(self, client: Client) -> Any:
        return client.create(self._path, WriteOptions(overwrite=True))

    def _write_again(self, client: Client) -> Any:
        sink = self._create(client)
        if self._source is not None:
            with contextlib.closing(self._source()) as source:
                self._copy(source, sink)
        else:
            assert self._kept is not None  # noqa: S101 - see _try
            self._kept.seek(0)
            self._copy(self._kept, sink)
        return sink

    def _copy(self, source: IO[bytes], sink: Any) -> None:
        left = self._num_bytes
        while left > 0:
            data = source.read(min(_COPY_BYTES, left))
            if not data:
                raise OSError(f"the source of {self._path!r} is shorter than before")
            sink.write(data)
            left -= len(data)


def _write(sink: Any, data: bytes, _: Client) -> Any:
    sink.write(data)
    return sink


def _end(sink: Any, _: Client) -> None:
    sink.close()
