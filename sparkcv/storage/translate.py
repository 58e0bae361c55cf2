"""Translate what a file system raises into sparkcv's storage errors; nothing else in the package does so."""

from __future__ import annotations

import contextlib
import errno
import io
import os
from collections.abc import Iterator
from typing import Any

from sparkcv.errors import (
    AccessError,
    FileExistsAlreadyError,
    FullError,
    MissingFileError,
    SparkcvError,
    StorageError,
    UnavailableError,
)

_DENIED = "permission denied"
_FULL = (errno.ENOSPC, errno.EDQUOT)


class FileSystemError(OSError):
    """What our own file system raises, without the URL, which ``translated`` adds.

    Attributes:
        kind: the class of the storage error that it becomes.
        text: the second half of its sentence.
    """

    def __init__(self, kind: type[StorageError], text: str) -> None:
        super().__init__(text)
        self.kind, self.text = kind, text


@contextlib.contextmanager
def translated(url: str, verb: str) -> Iterator[None]:
    """Turn what a file system raises inside the block into a StorageError: ``cannot {verb} {url}: reason``."""
    try:
        yield
    except SparkcvError:
        raise
    except FileSystemError as err:
        raise err.kind(f"cannot {verb} {url!r}: {err.text}") from err
    except FileNotFoundError as err:
        raise MissingFileError(f"cannot {verb} {url!r}: no such file or folder") from err
    except FileExistsError as err:
        raise FileExistsAlreadyError(f"cannot {verb} {url!r}: a file is in the way") from err
    except PermissionError as err:
        said = err.strerror or str(err)  # clients of object stores say here which key is wrong, or has ended
        why = f" ({said})" if said.lower() not in ("", _DENIED) else ""
        raise AccessError(f"cannot {verb} {url!r}: {_DENIED}{why}") from err
    except IsADirectoryError as err:
        raise StorageError(f"cannot {verb} {url!r}: it is a folder, a file was wanted") from err
    except NotADirectoryError as err:
        if verb == "list":
            raise StorageError(f"cannot list {url!r}: it is a file, a folder was wanted") from err
        raise MissingFileError(f"cannot {verb} {url!r}: a part of its path is a file, not a folder") from err
    except ImportError as err:
        raise StorageError(f"cannot {verb} {url!r}: its file system needs a package that is missing ({err})") from err
    except OSError as err:
        error = FullError if err.errno in _FULL else StorageError
        if isinstance(err, ConnectionError | TimeoutError):
            error = UnavailableError
        raise error(f"cannot {verb} {url!r}: {err.strerror or err or type(err).__name__}") from err
    except Exception as err:  # clients of stores raise types of their own, even bare RuntimeError
        raise StorageError(f"cannot {verb} {url!r}: {type(err).__name__}: {err}") from err


@contextlib.contextmanager
def translated_own(url: str, verb: str) -> Iterator[None]:
    """Turn a FileSystemError, and nothing else, into its storage error: for blocks that use another URL too."""
    try:
        yield
    except FileSystemError as err:
        raise err.kind(f"cannot {verb} {url!r}: {err.text}") from err


class TranslatedFile(io.RawIOBase):
    """A raw file over fsspec's file object, to be buffered: for those that lack ``readinto``, and for their errors."""

    def __init__(self, file: Any, url: str) -> None:
        self._file = file
        self._url = url

    def readable(self) -> bool:  # noqa: D102 - io.RawIOBase says what these do
        return True

    def writable(self) -> bool:  # noqa: D102
        return True

    def seekable(self) -> bool:  # noqa: D102
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:  # noqa: D102
        with translated(self._url, "read"):
            self._file.seek(offset, whence)
            return int(self._file.tell())

    def tell(self) -> int:  # noqa: D102
        return int(self._file.tell())

    def readinto(self, buffer: Any) -> int:  # noqa: D102
        with translated(self._url, "read"):
            if hasattr(self._file, "readinto"):
                return int(self._file.readinto(buffer))
            data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def readall(self) -> bytes:  # noqa: D102
        with translated(self._url, "read"):
            return bytes(self._file.read())

    def write(self, data: Any) -> int:  # noqa: D102
        with translated(self._url, "write"):
            return int(self._file.write(data))

    def close(self) -> None:  # noqa: D102
        if not self.closed:
            super().close()
            with translated(self._url, "close"):
                self._file.close()
