"""The bytes of one row's picture, or the reason why there are none."""

import contextlib
import errno
import os
import stat

from sparkcv import logs, storage
from sparkcv.errors import AccessError, MissingFileError, StorageError
from sparkcv.predict.rows.parts import InputRow

MAX_PICTURE_BYTES = 1 << 28
_OF_PATHS = (errno.ENAMETOOLONG, errno.ELOOP, errno.EINVAL)


def load(row: InputRow) -> bytes | str:
    """Return the picture's bytes, or why it is rejected.

    A file that is gone, denied, a folder or larger than :data:`MAX_PICTURE_BYTES` is that row's own fault, and so is a
    path that no store here could have. A store that does not answer is not: StorageError goes to the caller, naming the
    row, so that the task is tried again.
    """
    if row.reason is not None:
        return row.reason
    if row.data is not None:
        return row.data
    url = row.url or ""
    if _is_special(url):
        return "no file: a pipe, socket or device"  # opening one may block for ever
    try:
        data = storage.read_bytes(url, 0, MAX_PICTURE_BYTES + 1)
    except MissingFileError:
        return "missing: the file is not there"
    except AccessError:
        return "denied: the file may not be read"
    except StorageError as err:
        if reason := _own_fault(err):
            return reason
        with contextlib.suppress(StorageError):  # it did not answer just now
            if storage.is_dir(url):
                return "no file: a folder"
        raise type(err)(f"the row {logs.clean(row.id)!r} cannot be read: {err}") from err
    return data if len(data) <= MAX_PICTURE_BYTES else f"too large: more than {MAX_PICTURE_BYTES} bytes"


def _is_special(url: str) -> bool:
    path = storage.local_path(url)
    try:
        mode = os.stat(path).st_mode if path is not None else stat.S_IFREG
    except (OSError, ValueError):  # reading it will say so
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _own_fault(err: BaseException) -> str:
    """Return what is wrong with the path itself; "" if its store may have it."""
    cause = err.__cause__
    if isinstance(cause, ImportError):
        return f"no file system: a package is missing, {str(cause).splitlines()[0]}"
    if isinstance(cause, OSError) and cause.errno in _OF_PATHS:
        return f"no path: {os.strerror(cause.errno)}"
    return ""
