"""The bytes of one row's picture, or the reason why there are none."""

from sparkcv import storage
from sparkcv.errors import AccessError, MissingFileError, StorageError
from sparkcv.predict.rows.parts import InputRow

MAX_PICTURE_BYTES = 1 << 28


def load(row: InputRow) -> bytes | str:
    """Return the picture's bytes, or why it is rejected.

    A file that is gone, denied, a folder or larger than :data:`MAX_PICTURE_BYTES` is that row's own fault. A store
    that does not answer is not: StorageError goes to the caller, so that the task is tried again.
    """
    if row.reason is not None:
        return row.reason
    if row.data is not None:
        return row.data
    url = row.url or ""
    try:
        data = storage.read_bytes(url, 0, MAX_PICTURE_BYTES + 1)
    except MissingFileError:
        return "missing: the file is not there"
    except AccessError:
        return "denied: the file may not be read"
    except StorageError:
        if storage.is_dir(url):
            return "no file: a folder"
        raise
    return data if len(data) <= MAX_PICTURE_BYTES else f"too large: more than {MAX_PICTURE_BYTES} bytes"
