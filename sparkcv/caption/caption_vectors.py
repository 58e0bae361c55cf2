"""Vectors of captions that another program made, such as skip-thought: read from the files that such programs leave.

Three forms, told by the file's name:

* ``.npz``: the arrays ``captions``, texts ``[n]``, and ``vectors``, ``[n, numbers]``.
* ``.parquet``: the columns ``caption`` and ``vector``.
* ``.hdf5``, ``.h5``: as the TensorFlow form of GAN-CLS keeps skip-thought vectors, a dataset ``[captions, numbers]``
  for each picture by its name; or one, ``vectors``, whose rows are those of a file of captions.

Captions are compared word by word, so upper case and spaces do not count.
"""

from __future__ import annotations

import dataclasses
import io
import os
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from sparkcv import storage
from sparkcv.caption.vocabulary import tokenize
from sparkcv.errors import DataError, UsageError
from sparkcv.records import npz

__all__ = ["CaptionVectors", "read_vectors"]

_ROWS = "vectors"
_HDF5 = (".hdf5", ".h5")
_MOST_NUMBERS = 65536


@dataclasses.dataclass(frozen=True)
class CaptionVectors:
    """Vectors, float32 ``[numbers]`` each, of captions by their words, or of pictures' captions by the picture's name.

    ``rows`` are those of a file of captions, in the order of its lines.
    """

    url: str
    size: int
    of_captions: Mapping[str, NDArray[np.float32]] = dataclasses.field(default_factory=dict)
    of_pictures: Mapping[str, NDArray[np.float32]] = dataclasses.field(default_factory=dict)
    rows: NDArray[np.float32] | None = None

    def of_picture(
        self, name: str, captions: Sequence[Sequence[str]], kept: Sequence[bool] = ()
    ) -> list[NDArray[np.float32]]:
        """Return the vectors of a picture's captions, each of which is words; raises DataError without one.

        ``kept`` says which of all captions that the picture has in the file of captions these are; not given: all.
        """
        if self.of_captions:
            return [self.of_caption(words) for words in captions]
        found = self.of_pictures.get(name, self.of_pictures.get(os.path.basename(name)))
        if found is None:
            raise DataError(f"{self.url!r} has no vectors of the picture {name!r}")
        if len(found) == len(captions):
            return list(found)
        if len(found) == len(kept):
            return [row for row, is_kept in zip(found, kept, strict=True) if is_kept]
        number = len(kept) or len(captions)
        raise DataError(f"{self.url!r} has {len(found)} vectors of {name!r}, which has {number} captions")

    def of_caption(self, words: Sequence[str]) -> NDArray[np.float32]:
        """Return the vector of a caption; raises DataError where there is none, and for vectors by pictures."""
        if self.of_pictures:
            raise DataError(f"{self.url!r} has vectors by pictures, wanted vectors by captions")
        found = self.of_captions.get(" ".join(words))
        if found is None:
            raise DataError(f"{self.url!r} has no vector of the caption {' '.join(words)[:200]!r}")
        return found


def read_vectors(url: str) -> CaptionVectors:
    """Read a file of vectors.

    Raises:
        MissingFileError: it is not there.
        UsageError: its name is of no form.
        DataError: it is not what its name says, or holds no vectors, some of other lengths, or no finite numbers.
    """
    form = os.path.splitext(url)[1].lower()
    if form not in (".npz", ".parquet", *_HDF5):
        raise UsageError(f"--vectors: got {url!r}, wanted a file .npz, .parquet, .hdf5 or .h5")
    data = storage.read_bytes(url)
    try:
        if form == ".npz":
            return _of_texts(url, *_npz(data))
        if form == ".parquet":
            return _of_texts(url, *_parquet(data))
        found = _hdf5(data)
    except (OSError, ValueError, KeyError, EOFError, TypeError, pa.ArrowException) as err:
        raise DataError(f"{url!r} holds no vectors of captions: {' '.join(str(err).split())[:200]}") from err
    checked = {name: _checked(url, array, name) for name, array in found.items()}
    if not checked:
        raise DataError(f"{url!r} holds no vectors of captions: it has no dataset")
    sizes = sorted({array.shape[1] for array in checked.values()})
    if len(sizes) > 1:
        raise DataError(f"{url!r} has vectors of {sizes[0]} and of {sizes[-1]} numbers, wanted one length")
    if set(checked) == {_ROWS}:
        return CaptionVectors(url, sizes[0], rows=checked[_ROWS])
    return CaptionVectors(url, sizes[0], of_pictures=checked)


def _of_texts(url: str, captions: Sequence[str], vectors: Any) -> CaptionVectors:
    if not captions:
        raise DataError(f"{url!r} holds no vectors of captions: it has no caption")
    lengths = sorted({len(vector) for vector in vectors})
    if len(captions) != len(vectors) or len(lengths) > 1:
        got = f"vectors of {lengths[0]} and of {lengths[-1]} numbers" if len(lengths) > 1 else f"{len(vectors)} vectors"
        raise DataError(f"{url!r} has {len(captions)} captions and {got}; wanted one of each, of one length")
    array = _checked(url, np.asarray(vectors, np.float32), _ROWS)
    return CaptionVectors(
        url, array.shape[1], {" ".join(tokenize(text)): row for text, row in zip(captions, array, strict=True)}
    )


def _npz(data: bytes) -> tuple[list[str], Any]:
    arrays = npz.arrays_of(data, ("captions", "vectors"))
    return [_text(text) for text in arrays["captions"]], arrays["vectors"]


def _parquet(data: bytes) -> tuple[list[str], Any]:
    table = pq.read_table(io.BytesIO(data), columns=["caption", "vector"])
    if table.num_columns < 2:
        raise KeyError(f"it has not the columns caption and vector, but {', '.join(table.column_names) or 'others'}")
    texts, vectors = table["caption"].to_pylist(), table["vector"].to_pylist()
    if any(text is None for text in texts) or any(vector is None for vector in vectors):
        raise ValueError("a caption or a vector is null")
    return [_text(text) for text in texts], vectors


def _text(value: Any) -> str:
    """Return a caption, which some programs write as the bytes of UTF-8; raises TypeError for what is no text."""
    if isinstance(value, bytes):
        return value.decode("utf-8")
    if not isinstance(value, str):
        raise TypeError(f"a caption is a text, got {str(value)[:80]!r}")
    return value


def _hdf5(data: bytes) -> dict[str, Any]:
    try:
        import h5py
    except ImportError as err:
        raise UsageError("HDF5 is read by h5py, which TensorFlow brings along: it is not installed") from err
    # By the library's own reader of files: through Python's it is some ten times slower.
    with tempfile.NamedTemporaryFile(prefix="sparkcv-vectors-", suffix=".hdf5") as file:
        file.write(data)
        file.flush()
        found: dict[str, Any] = {}
        with h5py.File(file.name, "r") as source:

            def keep(name: str, each: Any) -> None:
                if isinstance(each, h5py.Dataset):
                    found[name] = each[()]

            source.visititems(keep)
    return found


def _checked(url: str, array: Any, name: str) -> NDArray[np.float32]:
    """Return the array as float32 ``[captions, numbers]``."""
    array = np.asarray(array)
    if array.ndim != 2 or array.dtype.kind not in "fiu" or not 0 < array.shape[1] <= _MOST_NUMBERS:
        raise DataError(
            f"{url!r}: {name!r} is {array.dtype} {list(array.shape)}, wanted numbers [captions, numbers], of a caption"
            f" {_MOST_NUMBERS} at most"
        )
    array = array.astype(np.float32)
    if not np.isfinite(array).all():
        raise DataError(f"{url!r}: {name!r} has numbers that are not finite, wanted finite ones")
    return array
