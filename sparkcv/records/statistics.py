"""Statistics of a dataset's pixels as a file: a mean and deviation for each channel, and the matrix that whitens.

The file is numpy's ``.npz`` without pickled objects: ``about``, JSON in UTF-8, and arrays of float32. It says of which
records it is, so that another dataset's is told by name, and of which tensor: the pixels of one preprocessing's
evaluation at one size, red, green, blue or grey, in [0, 1]. With a whitening, the covariance of
``(pixels - center) @ matrix`` is the identity, but for ``epsilon``; a picture's values are a row there, rows before
columns before channels (https://www.cs.toronto.edu/~kriz/learning-features-2009-TR.pdf, appendix A). ``pca`` are the
components, largest first; ``zca`` is turned back, so that the result looks like the picture.
"""

import dataclasses
import hashlib
import io
import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparkcv import storage
from sparkcv.errors import DataError, MissingFileError
from sparkcv.records import npz

__all__ = ["FittedOn", "MAX_FEATURES", "Moments", "Statistics", "file_name", "read_or_tell"]

MAX_FEATURES = 3072
"""Values of the largest picture that can be whitened, 32 x 32 in colour: the matrix has the square of them."""

_SCHEMA = 1
_MAX_BYTES = 2 * MAX_FEATURES**2 * 4
_ARRAYS = ("mean", "deviation", "center", "matrix")
_LEAST_DEVIATION = 1e-6  # a channel that never changes is not divided by zero


@dataclasses.dataclass(frozen=True)
class FittedOn:
    """Of which records, and of which tensor of each, statistics are."""

    dataset_name: str
    split: str
    dataset_digest: str
    num_records: int
    preprocessing: str
    image_size: int
    use_grayscale: bool
    jpeg_arithmetic: str

    @property
    def tensor(self) -> tuple[Any, ...]:
        """What two paths must have in common: preprocessing, size, grey or not."""
        return self.preprocessing, self.image_size, self.use_grayscale

    def __str__(self) -> str:
        return (
            f"{self.dataset_name}/{self.split} (digest {self.dataset_digest[:12]}), {self.preprocessing} at"
            f" {self.image_size} pixels{', grey' if self.use_grayscale else ''}"
        )


@dataclasses.dataclass(frozen=True, eq=False)
class Statistics:
    """The statistics of a dataset's pixels.

    Attributes:
        of: what they are of.
        mean: float32 ``[channels]``, and so is ``deviation``, which is above 0.
        deviation: standard deviation of each channel over all pixels.
        whitening: ``pca``, ``zca``, or "" without a matrix.
        epsilon: added to each component's variance before it is divided by its root.
        center: float32 ``[features]``, the mean picture; empty without a matrix, and so is ``matrix``.
        matrix: float32 ``[features, features]``.
    """

    of: FittedOn
    mean: NDArray[np.float32]
    deviation: NDArray[np.float32]
    whitening: str = ""
    epsilon: float = 0.0
    center: NDArray[np.float32] = dataclasses.field(default_factory=lambda: np.zeros(0, np.float32))
    matrix: NDArray[np.float32] = dataclasses.field(default_factory=lambda: np.zeros((0, 0), np.float32))

    @property
    def digest(self) -> str:
        """Sha256 of all that they say, in hexadecimal digits."""
        digest = hashlib.sha256(self._about())
        for name in _ARRAYS:
            digest.update(getattr(self, name).tobytes())
        return digest.hexdigest()

    def to_bytes(self) -> bytes:
        """Return the file."""
        buffer = io.BytesIO()
        about = np.frombuffer(self._about(), np.uint8)
        np.savez(buffer, about=about, **{name: getattr(self, name) for name in _ARRAYS})
        return buffer.getvalue()

    def _about(self) -> bytes:
        value = {
            "schema": _SCHEMA,
            "of": dataclasses.asdict(self.of),
            "whitening": self.whitening,
            "epsilon": self.epsilon,
        }
        return json.dumps(value, sort_keys=True).encode()

    @classmethod
    def read(cls, url: str) -> "Statistics":
        """Read a file; raises MissingFileError, StorageError, and DataError for one that is no statistics."""
        data = storage.read_bytes(url, 0, _MAX_BYTES + 1)
        try:
            arrays = npz.arrays_of(data, most_bytes=_MAX_BYTES)
            about = json.loads(bytes(arrays["about"]))
            found = cls(
                FittedOn(**about["of"]),
                whitening=about["whitening"],
                epsilon=about["epsilon"],
                **{name: arrays[name] for name in _ARRAYS},
            )
            if about["schema"] != _SCHEMA:
                raise ValueError(f"schema {about['schema']!r}, wanted {_SCHEMA}")
            found._check()
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as err:
            raise DataError(
                f"{url!r} is no file of statistics ({err}); wanted what `sparkcv statistics` wrote of the dataset"
            ) from err
        return found

    def write(self, url: str) -> None:
        """Write the file as a whole, over what was there."""
        storage.write_bytes(url, self.to_bytes())

    def _check(self) -> None:
        of = self.of
        kinds = [(of.num_records, int), (of.image_size, int), (of.use_grayscale, bool), (self.epsilon, float)]
        texts = (of.dataset_name, of.split, of.dataset_digest, of.preprocessing, of.jpeg_arithmetic, self.whitening)
        if not all(type(value) is kind for value, kind in kinds) or not all(isinstance(text, str) for text in texts):
            raise ValueError("a field of the wrong type")
        channels = 1 if of.use_grayscale else 3
        features = channels * of.image_size**2 if self.whitening else 0
        shapes = {"mean": (channels,), "deviation": (channels,), "center": (features,), "matrix": (features, features)}
        for name, shape in shapes.items():
            array = getattr(self, name)
            if array.dtype != np.float32 or array.shape != shape or not np.isfinite(array).all():
                raise ValueError(f"{name} is {array.dtype}{list(array.shape)}, wanted finite float32{list(shape)}")
        if self.whitening not in ("", "pca", "zca") or (self.deviation <= 0).any():
            raise ValueError("a whitening or a deviation that cannot be")


def file_name(of: FittedOn) -> str:
    """Return the name under which a dataset's folder has its statistics of a tensor."""
    grey = "_grey" if of.use_grayscale else ""
    return f"{of.dataset_name}_{of.split}_statistics_{of.preprocessing}_{of.image_size}{grey}.npz"


def read_or_tell(url: str, fit: str) -> Statistics:
    """Read a file; MissingFileError says how to make one, by the command ``fit``."""
    try:
        return Statistics.read(url)
    except MissingFileError as err:
        raise MissingFileError(f"there are no statistics at {url!r}; wanted what `{fit}` writes there") from err


class Moments:
    """Sums over pictures, in float64: for each channel, and with ``has_covariance`` for each pair of values.

    Merged, those of several readers are those of one that read all.
    """

    def __init__(self, shape: tuple[int, int, int], *, has_covariance: bool) -> None:
        features = int(np.prod(shape))
        self._shape = shape
        self.num_records = 0
        self._sums = np.zeros(features)
        self._squares = np.zeros(features)
        self._products = np.zeros((features, features) if has_covariance else (0, 0))

    def add(self, pixels: NDArray[np.float32]) -> None:
        """Count a batch ``[n, height, width, channels]``."""
        rows = pixels.reshape(len(pixels), -1).astype(np.float64)
        self.num_records += len(rows)
        self._sums += rows.sum(0)
        self._squares += (rows**2).sum(0)
        if self._products.size:
            self._products += rows.T @ rows

    def merge(self, other: "Moments") -> None:
        """Count what another reader counted."""
        self.num_records += other.num_records
        self._sums += other._sums
        self._squares += other._squares
        self._products += other._products

    def write(self, url: str) -> None:
        """Write the sums as one file, for another process."""
        buffer = io.BytesIO()
        np.savez(buffer, count=self.num_records, sums=self._sums, squares=self._squares, products=self._products)
        storage.write_bytes(url, buffer.getvalue())

    @classmethod
    def read(cls, url: str, shape: tuple[int, int, int], *, has_covariance: bool) -> "Moments":
        """Read what :meth:`write` wrote; raises DataError for anything else."""
        found, data = cls(shape, has_covariance=has_covariance), storage.read_bytes(url)
        try:
            arrays = npz.arrays_of(data)
            found.num_records = int(arrays["count"])
            for name in ("sums", "squares", "products"):
                if arrays[name].shape != getattr(found, f"_{name}").shape:
                    raise ValueError(f"{name} of {arrays[name].shape}")
                setattr(found, f"_{name}", arrays[name])
        except (KeyError, TypeError, ValueError) as err:
            raise DataError(f"{url!r} is no part of statistics ({err})") from err
        return found

    def fit(self, of: FittedOn, whitening: str, epsilon: float) -> Statistics:
        """Return the statistics; raises DataError if fewer than two pictures were counted."""
        if self.num_records < 2:
            raise DataError(
                f"statistics want at least 2 pictures, got {self.num_records} of {of.dataset_name}/{of.split}"
            )
        channels = self._shape[2]
        center = self._sums / self.num_records
        mean = center.reshape(-1, channels).mean(0)
        squares = (self._squares / self.num_records).reshape(-1, channels).mean(0)
        deviation = np.sqrt(np.maximum(squares - mean**2, 0.0))
        deviation = np.where(deviation > _LEAST_DEVIATION, deviation, 1.0)
        found = Statistics(of, mean.astype(np.float32), deviation.astype(np.float32))
        if not whitening:
            return found
        covariance = self._products / self.num_records - np.outer(center, center)
        variances, components = np.linalg.eigh(covariance)
        variances, components = np.maximum(variances[::-1], 0.0), components[:, ::-1]
        matrix = components / np.sqrt(variances + epsilon)
        if whitening == "zca":
            matrix = matrix @ components.T
        return dataclasses.replace(
            found,
            whitening=whitening,
            epsilon=float(epsilon),  # a recipe may have a whole number
            center=center.astype(np.float32),
            matrix=matrix.astype(np.float32),
        )
