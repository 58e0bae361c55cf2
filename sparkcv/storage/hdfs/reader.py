"""Read one file of HDFS, by a stream where it is read in order, resumed at its offset when that breaks."""

from __future__ import annotations

import functools
import os
import threading
import time
from collections.abc import Iterator
from typing import IO, Any

from hdfs_native import Client

from sparkcv.errors import StorageError, UnavailableError
from sparkcv.storage.hdfs.bounded_calls import beat
from sparkcv.storage.hdfs.errors import TransientError
from sparkcv.storage.hdfs.link import Link
from sparkcv.storage.translate import FileSystemError

_PIECE_BYTES = 8 << 20
_LOOK_BYTES = 1 << 20
_COPY_S = 0.5
_APPEND_S = 5.0  # appending to a file and closing it takes HDFS about half a second
_APPEND_POLL_S = 0.05


class HdfsReader:
    """A file that is open for reading; ``size`` is its bytes when it was opened.

    The file is the one that it was then: when another took its name meanwhile, further reads raise FileSystemError.
    """

    def __init__(self, link: Link, path: str) -> None:
        self._link, self._path = link, path
        self._offset = 0
        self._turn, self._copying = 0, threading.Lock()
        self._cursor: _Cursor | None = link.run(self._open)
        self.size, self._stamp = self._cursor.size, self._cursor.stamp

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to an offset."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._offset, os.SEEK_END: self.size}[whence]
        self._offset = max(0, base + offset)
        return self._offset

    def tell(self) -> int:
        """Return the offset."""
        return self._offset

    def read(self, num_bytes: int = -1) -> bytes:
        """Read so many bytes, or to the end."""
        left = max(0, self.size - self._offset)  # hdfs-native panics past the end
        left = left if num_bytes < 0 else min(left, num_bytes)
        pieces = []
        while left > 0:
            pieces.append(self._link.run(functools.partial(self._take, min(left, _PIECE_BYTES)), moves_data=True))
            self._offset += len(pieces[-1])
            left -= len(pieces[-1])
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def copy_to(self, sink: IO[bytes]) -> None:
        """Copy the whole file to a local one that is open and empty; the errors of that are raised as they are."""
        while sink.tell() < self.size:
            failed = self._link.run(functools.partial(self._copy, sink), moves_data=True)
            if failed is not None:
                raise failed

    def close(self) -> None:
        """Close the file."""
        self._cursor = None

    def _take(self, num_bytes: int, client: Client) -> bytes:
        cursor = self._borrow(client)
        data = cursor.take(self._offset, num_bytes)
        self._cursor = cursor
        return data

    def _copy(self, sink: IO[bytes], client: Client) -> OSError | None:
        """Copy for half a second, so that the waiting caller sees progress; return what the sink raised, or None."""
        with self._copying:
            self._turn += 1
            turn, offset = self._turn, sink.tell()
        cursor = self._borrow(client)
        until_s = time.monotonic() + _COPY_S
        for chunk in cursor.stream(offset):
            with self._copying:
                if turn != self._turn:
                    return None  # the caller has given this one up, and another writes
                try:
                    sink.write(chunk)
                except OSError as err:
                    return err
            offset += len(chunk)
            cursor.offset = offset
            if time.monotonic() > until_s:
                break
        else:
            if offset < self.size:
                raise TransientError("does not give the data", f"it ended at {offset} of {self.size} bytes")
        self._cursor = cursor
        return None

    def _borrow(self, client: Client) -> _Cursor:
        """Take the cursor, or open one; a try that fails or is given up does not put it back."""
        cursor, self._cursor = self._cursor, None
        if cursor is None:
            cursor = self._open(client)
            if (cursor.size, cursor.stamp) != (self.size, self._stamp):
                raise FileSystemError(StorageError, "another file took its name while it was read")
        return cursor

    def _open(self, client: Client) -> _Cursor:
        give_up_s = time.monotonic() + _APPEND_S
        while True:
            status = client.get_file_info(self._path)
            if status.isdir:
                raise IsADirectoryError(self._path)
            reader = client.read(self._path)
            if len(reader) == status.length:
                return _Cursor(reader, status.length, status.modification_time)
            # hdfs-native does not see the last block of a file that is being written: at most 128 MB of its end.
            if time.monotonic() > give_up_s:
                found = f"it is being written, {len(reader)} of its {status.length} bytes can be read so far"
                raise FileSystemError(UnavailableError, found)
            time.sleep(_APPEND_POLL_S)


class _Cursor:
    """hdfs-native's reader and the position in its stream."""

    def __init__(self, reader: Any, size: int, stamp: int) -> None:
        self._reader, self.size, self.stamp = reader, size, stamp
        self.offset = 0
        self._stream: Iterator[bytes] | None = None
        self._left = b""
        self._is_read_on = False

    def stream(self, offset: int) -> Iterator[bytes]:
        """Return the stream from an offset to the end; who takes from it moves ``offset``."""
        if self._stream is None or offset != self.offset or self._left:
            self._left = b""
            self.offset = offset
            self._stream = iter(self._reader.read_range_stream(offset, self.size - offset))
        return self._stream

    def take(self, offset: int, num_bytes: int) -> bytes:
        """Read so many bytes at an offset; they must be there."""
        if offset != self.offset:
            self._stream, self._left, self._is_read_on = None, b"", False
            self.offset = offset
        if self._stream is None and not self._is_read_on and num_bytes <= _LOOK_BYTES:  # such as at a footer
            data = bytes(self._reader.read_range(offset, num_bytes))
            self._is_read_on = True
        else:
            data = self._from_stream(offset, num_bytes)
        self.offset += len(data)
        return data

    def _from_stream(self, offset: int, num_bytes: int) -> bytes:
        if self._stream is None:
            self._stream = iter(self._reader.read_range_stream(offset, self.size - offset))
        pieces, found = [self._left], len(self._left)
        while found < num_bytes:
            chunk = next(self._stream, None)
            if chunk is None:
                raise TransientError("does not give the data", f"it ended at {offset + found} of {self.size} bytes")
            pieces.append(chunk)
            found += len(chunk)
            beat()
        data = b"".join(pieces)
        self._left = data[num_bytes:]
        return data[:num_bytes] if self._left else data
