"""The weights of a transformer net at rest: read from whatever holds them, checked whole, and never by TensorFlow.

Four forms: ``transformer.npz``, which :func:`dump` writes; a run's checkpoint; a checkpoint of the published program,
whose variables are numbered; and its dump for the browser, ``manifest.json`` and a file of raw floats a variable.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparkcv import storage
from sparkcv.errors import CheckpointError, DataError, MissingFileError, StorageError
from sparkcv.records import npz
from sparkcv.records.tfrecord import masked_crc32c
from sparkcv.rundir import checkpoint, checkpoint_index
from sparkcv.style.transformer_spec import PADDINGS, SCOPE, UPSAMPLES, TransformerSpec

__all__ = ["FILE_NAME", "TransformerWeights", "described_by", "dump", "load", "parse"]

FILE_NAME = "transformer.npz"
_MANIFEST = "manifest.json"
_SPEC = "spec"
_FLOAT = 1  # DT_FLOAT
_MOST_BYTES = 64 << 20
_MOST_BLOCKS = 1000
Floats = NDArray[np.float32]


@dataclasses.dataclass(frozen=True)
class TransformerWeights:
    """A net's weights: float32 arrays by the names of ``spec``, and where they were read."""

    spec: TransformerSpec
    arrays: Mapping[str, Floats]
    where: str

    @property
    def digest(self) -> str:
        """SHA-256 of the spec and of every weight, in hexadecimal."""
        found = hashlib.sha256(_spec_text(self.spec).encode())
        for name in self.spec.variables():
            found.update(np.ascontiguousarray(self.arrays[name], "<f4").tobytes())
        return found.hexdigest()

    def padded(self, padding: str | None) -> TransformerWeights:
        """Return the same weights for another padding; None keeps it."""
        return (
            self if padding is None else dataclasses.replace(self, spec=dataclasses.replace(self.spec, padding=padding))
        )


def load(url: str) -> TransformerWeights:
    """Read the weights at ``url``: a file, a folder, or the prefix of a checkpoint.

    Of published ones the padding is ``same``, as they were trained with.

    Raises:
        MissingFileError: nothing is there.
        CheckpointError: the weights are damaged, cut, or of another net; the first variable that differs is named.
    """
    if url.endswith(".npz"):
        return parse(storage.read_bytes(url, 0, _MOST_BYTES), url)
    if storage.exists(storage.join(url, FILE_NAME)):
        return load(storage.join(url, FILE_NAME))
    if storage.exists(storage.join(url, _MANIFEST)):
        return _published(*_dumped(url), url)
    index = checkpoint_index.read(_prefix(url))
    shapes = {name: tensor.shape for name, tensor in index.tensors.items() if tensor.dtype == _FLOAT}

    def read(name: str) -> bytes:
        tensor = index.tensors[name]
        where = index.data_url(tensor.shard)
        data = storage.read_bytes(where, tensor.offset, tensor.offset + tensor.num_bytes)
        if len(data) != tensor.num_bytes or masked_crc32c(data) != tensor.crc32c:
            raise CheckpointError(f"{where!r} is damaged where {name} is stored")
        return data

    if not any(name.startswith(f"{SCOPE}/") for name in shapes):
        return _published(shapes, read, url)
    weights = TransformerSpec(upsample=_upsample(shapes))
    return TransformerWeights(weights, _collect(weights.variables(), shapes, read, url), url)


def described_by(url: str) -> str:
    """Return the file of a folder by which it is a net at rest: ``transformer.npz``, or a dump's manifest; "" if none.

    A dump's is only taken for one beside its first variable: other programs have a ``manifest.json``, too.
    """
    if storage.exists(storage.join(url, FILE_NAME)):
        return FILE_NAME
    is_dump = storage.exists(storage.join(url, _MANIFEST)) and storage.exists(storage.join(url, "Variable"))
    return _MANIFEST if is_dump else ""


def dump(weights: TransformerWeights) -> bytes:
    """Return the bytes of ``transformer.npz``: the arrays by their names, and the spec as text."""
    buffer = io.BytesIO()
    held: dict[str, Any] = {name: weights.arrays[name] for name in weights.spec.variables()}
    held[_SPEC] = np.array(_spec_text(weights.spec))
    np.savez(buffer, **held)
    return buffer.getvalue()


def parse(data: bytes, where: str) -> TransformerWeights:
    """Read what :func:`dump` gave; raises CheckpointError for anything else."""
    try:
        found = npz.arrays_of(data, most_bytes=_MOST_BYTES)
        spec = _spec(json.loads(str(found.pop(_SPEC))))
        arrays = {name: np.asarray(array, np.float32) for name, array in found.items()}
    except (ValueError, KeyError, TypeError, RecursionError) as err:
        raise CheckpointError(f"{where!r} is no {FILE_NAME} of a transformer net, or it was cut: {err}") from err
    shapes = {name: array.shape for name, array in arrays.items()}
    return TransformerWeights(
        spec, _collect(spec.variables(), shapes, lambda name: arrays[name].tobytes(), where), where
    )


def _published(shapes: Mapping[str, tuple[int, ...]], read: Callable[[str], bytes], where: str) -> TransformerWeights:
    spec = TransformerSpec(upsample="transposed", padding="same")
    names = spec.published_names()
    wanted = {names[name]: shape for name, shape in spec.variables().items()}
    found = _collect(wanted, shapes, read, where)
    return TransformerWeights(spec, {name: found[theirs] for name, theirs in names.items()}, where)


def _collect(
    wanted: Mapping[str, tuple[int, ...]],
    shapes: Mapping[str, tuple[int, ...]],
    read: Callable[[str], bytes],
    where: str,
) -> dict[str, Floats]:
    """Return the wanted arrays; raise CheckpointError for the first variable that is missing or of another shape."""
    arrays = {}
    for name, shape in wanted.items():
        if name not in shapes:
            raise CheckpointError(
                f"{where!r} is of another net than the style transformer: it has no variable {name!r}"
            )
        if tuple(shapes[name]) != shape:
            raise CheckpointError(
                f"{where!r} is of another net than the style transformer: its variable {name!r} has shape"
                f" {list(shapes[name])}, wanted {list(shape)}"
            )
        arrays[name] = np.frombuffer(read(name), "<f4").reshape(shape)
        if not np.isfinite(arrays[name]).all():
            raise CheckpointError(f"{where!r}: the variable {name!r} has values that are not finite")
    return arrays


def _dumped(url: str) -> tuple[dict[str, tuple[int, ...]], Callable[[str], bytes]]:
    """Return the shapes of a dump for the browser, and what reads a variable of it."""
    where = storage.join(url, _MANIFEST)
    try:
        manifest = storage.read_json(where)
        shapes = {name: tuple(int(side) for side in entry["shape"]) for name, entry in manifest.items()}
        files = {name: str(entry["filename"]) for name, entry in manifest.items()}
    except MissingFileError:
        raise
    except (StorageError, DataError, KeyError, TypeError, ValueError, AttributeError) as err:
        raise CheckpointError(f"{where!r} is no manifest of weights: {err!r}") from err

    def read(name: str) -> bytes:
        if "/" in files[name] or files[name] in ("", ".", ".."):
            raise CheckpointError(f"{where!r} names the file {files[name]!r}, wanted one in its own folder")
        size, wanted = storage.join(url, files[name]), 4 * int(np.prod(shapes[name]))
        data = storage.read_bytes(size, 0, wanted + 1)
        if len(data) != wanted:
            got = f"more than {wanted}" if len(data) > wanted else str(len(data))
            raise CheckpointError(f"{size!r} has {got} bytes, wanted {wanted}")
        return data

    return shapes, read


def _prefix(url: str) -> str:
    """Return the prefix of a checkpoint: of a folder that of the newest valid one."""
    found = checkpoint.locate(url)
    if found.kind:
        raise CheckpointError(f"{url!r} is a {found.kind}; wanted {FILE_NAME}, a checkpoint or a dump of one")
    if not storage.exists(f"{found.prefix_url}.index"):
        raise CheckpointError(
            f"{url!r} is a checkpoint of TensorFlow's first format, which is not read; wanted one of"
            " tf.train.Saver(write_version=2): an .index file and .data files"
        )
    return found.prefix_url


def _upsample(shapes: Mapping[str, tuple[int, ...]]) -> str:
    """Tell by the order of the channels of the first doubling layer how it doubles."""
    first = f"{SCOPE}/up1/weights"
    for upsample in UPSAMPLES:
        if tuple(shapes.get(first, ())) == TransformerSpec(upsample=upsample).variables()[first]:
            return upsample
    return UPSAMPLES[0]


def _spec_text(spec: TransformerSpec) -> str:
    return json.dumps(dataclasses.asdict(spec), sort_keys=True)


def _spec(values: dict[str, Any]) -> TransformerSpec:
    spec = TransformerSpec(**{**values, "filters": tuple(int(number) for number in values["filters"])})
    is_known = spec.upsample in UPSAMPLES and spec.padding in PADDINGS and len(spec.filters) == 3
    # Before its layers are listed: a number of blocks that is damaged would list them for ever.
    if not is_known or type(spec.num_blocks) is not int or not 0 <= spec.num_blocks <= _MOST_BLOCKS:
        raise ValueError(f"its {_SPEC} {values} is of no net that there is")
    if type(spec.input_scale) not in (int, float) or not 0 < spec.input_scale < math.inf:
        raise ValueError(f"its {_SPEC} {values} is of no net that there is")
    return spec
