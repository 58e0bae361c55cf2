"""The weights of VGG-19 at rest: MatConvNet's ``.mat``, a TF-Slim checkpoint, or an ``.npz``, read and checked whole.

Simonyan and Zisserman 2014, https://arxiv.org/abs/1409.1556. MatConvNet's file, ``imagenet-vgg-verydeep-19.mat``, has
two forms: the old one has ``normalization`` with a whole average picture, the new one ``meta`` with a mean pixel.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import os
import re
import tempfile
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparkcv import storage
from sparkcv.errors import ModelError, UsageError
from sparkcv.records import npz
from sparkcv.rundir import checkpoint

__all__ = ["ENTRIES", "Vgg19Weights", "WIDTHS", "load"]

Floats = NDArray[np.float32]

WIDTHS = (64, 128, 256, 512, 512)
"""Channels of the five blocks."""
_CONVOLUTIONS = (2, 2, 4, 4, 4)
MEAN_PIXEL = (123.68, 116.78, 103.94)
"""Red, green and blue of VGG's mean pixel, for files that tell none."""


def _entries() -> tuple[str, ...]:
    names: list[str] = []
    for block, count in enumerate(_CONVOLUTIONS, 1):
        names += [f"{kind}{block}_{number}" for number in range(1, count + 1) for kind in ("conv", "relu")]
        names += [f"pool{block}"] if block < len(_CONVOLUTIONS) else []
    return tuple(names)


ENTRIES = _entries()
"""The 36 layers from conv1_1 to relu5_4, in their order."""
_KINDS = ("weights", "biases")
_OLD_MD5, _NEW_MD5 = "8ee3263992981a1d26e73b3ca028a123", "106118b7cf60435e6d8e04f6a6dc3657"
_PUBLISHED = {_OLD_MD5: "the published file, old form", _NEW_MD5: "the published file, new form"}


@dataclasses.dataclass(frozen=True)
class Vgg19Weights:
    """The convolutions of a VGG-19.

    Attributes:
        kernels: float32 ``[3, 3, in, out]`` by name, such as ``conv1_1``.
        biases: float32 ``[out]`` by name.
        mean_pixel: float64 ``[3]``, red, green and blue, taken off each pixel of 0 to 255.
        md5: of the file; "" for a checkpoint, which is several.
        where: where they were read.
    """

    kernels: Mapping[str, Floats]
    biases: Mapping[str, Floats]
    mean_pixel: NDArray[np.float64]
    md5: str
    where: str

    def __str__(self) -> str:
        known = f", {_PUBLISHED[self.md5]}" if self.md5 in _PUBLISHED else ""
        return self.where + (f" (md5 {self.md5}{known})" if self.md5 else "")


def load(url: str, widths: tuple[int, ...] = WIDTHS) -> Vgg19Weights:
    """Read the weights at ``url``, a ``.mat``, an ``.npz``, or the prefix or folder of a slim checkpoint.

    ``widths`` are the channels of the five blocks: a narrower net of the same form is for tests.

    Raises:
        ModelError: it is no such file, cut, or of another net; the first layer that differs is named.
        CheckpointError, MissingFileError: no checkpoint, or none that is whole.
        UsageError: SciPy, which reads ``.mat``, is not installed.
    """
    if not url.lower().endswith((".mat", ".npz")):
        return _checked(_slim(url), np.array(MEAN_PIXEL, np.float32), "", url, widths)
    data = storage.read_bytes(url)
    md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
    if not data:
        raise ModelError(f"{url!r} has 0 bytes, wanted the weights of a VGG-19")
    found, mean = (_matconvnet if url.lower().endswith(".mat") else _npz)(data, url)
    return _checked(found, mean, md5, url, widths)


def _checked(
    found: Mapping[str, tuple[Any, Any]], mean: Any, md5: str, url: str, widths: tuple[int, ...]
) -> Vgg19Weights:
    """Return the weights if each layer is as it should be, and raise ModelError for the first that is not."""
    kernels, biases, channels = {}, {}, 3
    for name in (name for name in ENTRIES if name.startswith("conv")):
        width = widths[int(name[4]) - 1]
        if name not in found:
            raise ModelError(f"{url!r} is no VGG-19: it has no {name}, wanted 3 x 3 x {channels} x {width}")
        kernel, bias = (np.asarray(array) for array in found[name])
        if kernel.shape != (3, 3, channels, width) or bias.size != width:
            got = " x ".join(map(str, kernel.shape))
            raise ModelError(
                f"{url!r} is no VGG-19: {name} is {got} with {bias.size} biases, wanted 3 x 3 x {channels} x {width}"
                f" with {width}"
            )
        if kernel.dtype.kind != "f" or not (np.isfinite(kernel).all() and np.isfinite(bias).all()):
            raise ModelError(f"{url!r} is no VGG-19: {name} holds values that are no finite numbers")
        kernels[name] = np.ascontiguousarray(kernel, np.float32)
        biases[name] = np.ascontiguousarray(bias, np.float32).reshape(-1)
        channels = width
    pixel = np.asarray(mean, np.float64).reshape(-1)
    if pixel.size != 3 or not np.isfinite(pixel).all():
        raise ModelError(f"{url!r} is no VGG-19: its mean pixel has {pixel.size} values, wanted red, green and blue")
    return Vgg19Weights(kernels, biases, pixel, md5, url)


def _matconvnet(data: bytes, url: str) -> tuple[dict[str, tuple[Any, Any]], Any]:
    try:
        from scipy import io as scipy_io
    except ImportError as err:
        raise UsageError("SciPy, which reads .mat files, is not installed here; wanted: sparkcv[style]") from err
    if data.startswith(b"MATLAB 7.3"):
        raise ModelError(f"{url!r} is a MATLAB 7.3 file, which is HDF5; wanted MatConvNet's, of version 5")
    try:
        found = scipy_io.loadmat(io.BytesIO(data), variable_names=["layers", "normalization", "meta"])
    except Exception as err:  # SciPy's reader raises whatever broke in it
        raise ModelError(f"{url!r} is no whole .mat file of {len(data)} bytes: {' '.join(str(err).split())}") from err
    try:
        layers = np.ravel(found["layers"])
        mean = _mean(found)
    except (KeyError, IndexError, TypeError, ValueError) as err:
        raise ModelError(
            f"{url!r} is no net of MatConvNet: got {_names(found)}, wanted layers and normalization or meta"
        ) from err
    weights = {}
    for index, expected in enumerate(ENTRIES):
        if index >= len(layers):
            raise ModelError(f"{url!r} is no VGG-19: it ends after {len(layers)} layers, wanted {expected} next")
        layer = layers[index]
        fields = layer.dtype.names if isinstance(layer, np.ndarray) else None
        if not fields or not layer.size:
            raise ModelError(f"{url!r} is no VGG-19: layer {index + 1} is no structure, wanted {expected}")
        entry = np.ravel(layer)[0]
        name = _text(entry["name"]) if "name" in fields else expected
        if name != expected:
            raise ModelError(f"{url!r} is no VGG-19: layer {index + 1} is {name!r}, wanted {expected!r}")
        if expected.startswith("conv"):
            weights[expected] = _kernel(entry, fields, expected, url)
    return weights, mean


def _mean(found: Mapping[str, Any]) -> Any:
    """Return the mean pixel: of the old form the average picture's mean, of the new form as it stands."""
    told = found["normalization"] if "normalization" in found else np.ravel(found["meta"])[0]["normalization"]
    average = np.asarray(np.ravel(told)[0]["averageImage"], np.float64)
    return average.reshape(-1, 3).mean(axis=0) if average.ndim == 3 else average


def _kernel(entry: Any, fields: tuple[str, ...], name: str, url: str) -> tuple[Any, Any]:
    """Return kernel and bias of a layer; MatConvNet's kernels are ``[width, height, in, out]``."""
    pair = np.ravel(entry["weights"]) if "weights" in fields else ()
    if len(pair) != 2:
        raise ModelError(f"{url!r} is no VGG-19: {name} has {len(pair)} arrays of weights, wanted kernel and bias")
    kernel, bias = (np.asarray(array) for array in pair)
    return (np.transpose(kernel, (1, 0, 2, 3)) if kernel.ndim == 4 else kernel), bias


def _npz(data: bytes, url: str) -> tuple[dict[str, tuple[Any, Any]], Any]:
    try:
        arrays = npz.arrays_of(data, {f"{name}/{kind}" for name in ENTRIES for kind in _KINDS} | {"mean_pixel"})
    except ValueError as err:
        raise ModelError(f"{url!r} is no whole .npz file of {len(data)} bytes: {err}") from err
    found = {
        name: (arrays[f"{name}/weights"], arrays[f"{name}/biases"])
        for name in ENTRIES
        if all(f"{name}/{kind}" in arrays for kind in _KINDS)
    }
    return found, arrays.get("mean_pixel", np.array(MEAN_PIXEL))


def _slim(url: str) -> dict[str, tuple[Any, Any]]:
    from sparkcv.light_tensorflow import tf1 as tf

    found = {}
    with tempfile.TemporaryDirectory(prefix="sparkcv-vgg19-", dir=os.environ.get("TMPDIR")) as scratch:
        prefix = checkpoint.fetch(checkpoint.locate(url), scratch)
        reader = tf.train.load_checkpoint(prefix)
        names = set(reader.get_variable_to_shape_map())
        for name in ENTRIES:
            scope = f"vgg_19/{re.sub('_.*', '', name)}/{name}"
            if {f"{scope}/weights", f"{scope}/biases"} <= names:
                found[name] = reader.get_tensor(f"{scope}/weights"), reader.get_tensor(f"{scope}/biases")
    return found


def _text(value: Any) -> str:
    values = np.ravel(value)
    return str(values[0]) if values.size else ""


def _names(found: Mapping[str, Any]) -> str:
    return ", ".join(sorted(name for name in found if not name.startswith("__"))) or "nothing"
