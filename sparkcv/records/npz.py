"""NumPy's ``.npz`` read whole: whatever is wrong with the bytes, damaged inside or another file, is a ValueError."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["arrays_of"]

# What zipfile, zlib and NumPy raise for bytes that are cut or damaged; of a RuntimeError the archive is encrypted.
_BROKEN = (OSError, EOFError, KeyError, TypeError, RuntimeError, struct.error, zlib.error, zipfile.BadZipFile)


def arrays_of(data: bytes, names: Collection[str] | None = None, most_bytes: int | None = None) -> dict[str, Any]:
    """Return the arrays of a file by their names, of ``names`` those that are there; None: all.

    Raises ValueError for bytes that are no ``.npz``, are cut or damaged, hold pickled objects or what is no array, and
    where all arrays together have more than ``most_bytes``.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            num_bytes = sum(entry.file_size for entry in archive.infolist())
        if most_bytes is not None and num_bytes > most_bytes:
            raise ValueError(f"its arrays have {num_bytes} bytes, wanted {most_bytes} at most")
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            found: dict[str, NDArray[Any]] = {name: file[name] for name in file.files if names is None or name in names}
    except _BROKEN as err:
        raise ValueError(" ".join(str(err).split()) or type(err).__name__) from err
    except MemoryError as err:
        raise ValueError("an array says that it has more values than there is memory") from err
    for name, array in found.items():
        if not isinstance(array, np.ndarray):
            raise ValueError(f"{name} is no array")
    return found
