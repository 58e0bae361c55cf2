"""The fast style transfer net on a picture of any size with bounded memory: layer by layer, in strips of rows.

Instance normalization needs mean and variance over the whole picture at each of its layers: tiles that went through the
whole net one by one would show seams. Here each layer is computed for the whole picture before the next. Its input and
output lie in unnamed files; a strip of rows is in memory, with the few rows around it that the convolution sees. The
result is that of the net as one graph, but for roundings.
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparkcv.errors import StorageError
from sparkcv.light_tensorflow import tf1 as tf
from sparkcv.predict.engines.tf import session_config
from sparkcv.style.transformer_net import EPSILON, RANGE, convolve
from sparkcv.style.transformer_spec import SCOPE, STRIDE, NetLayer
from sparkcv.style.transformer_weights import TransformerWeights

__all__ = ["StripNet"]

Floats = NDArray[np.float32]

_LEAST_ROWS = 8


class StripNet:
    """The net in a session of its own; ``stylize`` gives what the whole graph gives.

    Args:
        weights: of the net.
        num_threads: threads of one TensorFlow operation; 0: one a core.
        strip_pixels: pixels of the picture in one strip, about; of the wider layers in between fewer.
        scratch_dir: where the files lie; they have no name, and go with the process.
    """

    def __init__(
        self, weights: TransformerWeights, num_threads: int, *, strip_pixels: int, scratch_dir: str | None = None
    ) -> None:
        self._weights, self._strip_pixels, self._scratch_dir = weights, strip_pixels, scratch_dir
        self._run: dict[str, Any] = {}
        graph = tf.Graph()
        self._session: Any = tf.Session(graph=graph, config=session_config(num_threads))
        with graph.as_default():
            for layer in weights.spec.layers:
                rows = tf.placeholder(tf.float32, [1, None, None, layer.num_in])
                kernel = tf.constant(weights.arrays[f"{SCOPE}/{layer.name}/weights"])
                made = convolve(rows, kernel, layer, weights.spec)
                self._run[layer.name] = self._session.make_callable(made, feed_list=[rows])

    def close(self) -> None:
        """Close the session; calling it again does nothing."""
        self._session.close()

    def stylize(self, pixels: NDArray[np.uint8]) -> Floats:
        """Return the stylized picture, float32 ``[height, width, 3]``, of uint8 ``[height, width, 3]``."""
        spec = self._weights.spec
        height, width = pixels.shape[:2]
        is_reflected = spec.padding == "reflect"
        if is_reflected:
            pixels = np.pad(pixels, ((0, -height % STRIDE), (0, -width % STRIDE), (0, 0)), "reflect")
        net: _Rows = _Pixels(pixels)
        start: _Rows | None = None
        for layer in spec.layers:
            start = net if layer.starts_block else start
            made, mean, variance = self._convolved(net, layer)
            self._normalize(made, mean, variance, layer, start if layer.ends_block else None)
            net = made
        middle, half = RANGE
        top, left = (0, 0) if is_reflected else (-height % STRIDE, -width % STRIDE)
        picture = np.empty((height, width, 3), np.float32)
        for rows in self._strips(height, width, 3):
            strip = net.read(top + rows.start, top + rows.stop)[:, left : left + width]
            picture[rows] = np.tanh(strip) * np.float32(half) + np.float32(middle)
        return picture

    def _convolved(self, net: _Rows, layer: NetLayer) -> tuple[_Rows, Any, Any]:
        """Return a layer's convolution of the whole picture, and each channel's mean and variance in it."""
        reach = _Reach.of(layer, net.shape, is_transposed=self._weights.spec.is_transposed(layer))
        made = self._array((*reach.out, layer.num_out))
        total, squares = np.zeros(layer.num_out), np.zeros(layer.num_out)
        for rows in self._strips(*reach.out, max(layer.num_out, layer.num_in * layer.stride**2), reach.step):
            strip = self._input(net, layer, reach, rows)
            found = self._run[layer.name](strip[None])[0]
            made.write(rows.start, found)
            values = found.reshape(-1, layer.num_out)
            total += values.sum(0, dtype=np.float64)
            squares += np.square(values).sum(0, dtype=np.float64)
        count = reach.out[0] * reach.out[1]
        mean = total / count
        return made, mean, np.maximum(squares / count - mean**2, 0.0)

    def _input(self, net: _Rows, layer: NetLayer, reach: _Reach, rows: slice) -> Floats:
        """Return what the convolution of the output rows ``rows`` sees: real rows, and the edges around the picture."""
        is_reflected = self._weights.spec.padding == "reflect"
        first, last = reach.seen(rows)  # on the grid that is convolved, where rows below 0 lie above the picture
        side = net.shape[0] * reach.scale
        wanted = np.arange(first, last)
        inside = np.abs(wanted)
        inside = np.where(inside >= side, 2 * (side - 1) - inside, inside)
        taken = inside // reach.scale
        strip = net.read(taken.min(), taken.max() + 1)[taken - taken.min()]
        if layer.name == "conv1":
            strip *= np.float32(self._weights.spec.input_scale)
        if not is_reflected:
            strip[(wanted < 0) | (wanted >= side)] = 0.0
        if reach.scale > 1:
            strip = np.repeat(strip, reach.scale, axis=1)
        return np.pad(strip, ((0, 0), reach.columns, (0, 0)), "reflect" if is_reflected else "constant")

    def _normalize(self, made: _Rows, mean: Any, variance: Any, layer: NetLayer, start: _Rows | None) -> None:
        """Normalize in place; then as the layer has it the activation, and what went around the block is added."""
        beta, gamma = (
            self._weights.arrays[f"{SCOPE}/{layer.name}/InstanceNorm/{kind}"].astype(np.float64)
            for kind in ("beta", "gamma")
        )
        factor = gamma / np.sqrt(variance + EPSILON)
        offset = (beta - mean * factor).astype(np.float32)
        for rows in self._strips(*made.shape):
            strip = made.read(rows.start, rows.stop)
            strip *= factor.astype(np.float32)
            strip += offset
            if layer.relu:
                np.maximum(strip, 0.0, out=strip)
            if start is not None:
                strip += start.read(rows.start, rows.stop)
            made.write(rows.start, strip)

    def _strips(self, height: int, width: int, channels: int, step: int = 1) -> Iterator[slice]:
        """Yield slices of rows, so many that a strip of the widest layer has about ``strip_pixels`` pixels."""
        widest = self._weights.spec.filters[0]
        rows = max(_LEAST_ROWS, self._strip_pixels * widest // (width * channels)) // step * step
        for at in range(0, height, rows):
            yield slice(at, min(at + rows, height))

    def _array(self, shape: tuple[int, ...]) -> _Rows:
        is_small = shape[0] * shape[1] * shape[2] <= self._strip_pixels * self._weights.spec.filters[0]
        return _Rows(shape) if is_small else _StoredRows(shape, self._scratch_dir)


class _Rows:
    """A layer's values, float32 ``[rows, columns, channels]``, of which some rows are read or written at a time."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape
        self._values = np.empty(shape, np.float32)

    def read(self, first: int, last: int) -> Floats:
        """Return a copy of the rows ``[first, last)``."""
        return self._values[first:last].copy()

    def write(self, first: int, rows: Floats) -> None:
        """Set the rows from ``first`` on."""
        self._values[first : first + len(rows)] = rows


class _Pixels(_Rows):
    """A picture's pixels as they are, given as float32."""

    def __init__(self, pixels: NDArray[np.uint8]) -> None:
        self.shape = pixels.shape
        self._pixels = pixels

    def read(self, first: int, last: int) -> Floats:
        return self._pixels[first:last].astype(np.float32)


class _StoredRows(_Rows):
    """The same in a file without a name, read and written: a mapped one would count as memory of the process."""

    def __init__(self, shape: tuple[int, ...], scratch_dir: str | None) -> None:
        self.shape = shape
        self._row = shape[1:]
        self._row_bytes = 4 * shape[1] * shape[2]
        self._file: Any = tempfile.TemporaryFile(dir=scratch_dir, buffering=0)  # noqa: SIM115  it goes with this object

    def read(self, first: int, last: int) -> Floats:
        values = np.empty((last - first, *self._row), np.float32)
        self._file.seek(first * self._row_bytes)
        view, at = memoryview(values.reshape(-1).view(np.uint8)), 0  # type: ignore[arg-type]
        while at < len(view):
            got = self._file.readinto(view[at:])
            if not got:
                raise StorageError(f"the temporary file of a layer ends after {at} of {len(view)} bytes")
            at += got
        return values

    def write(self, first: int, rows: Floats) -> None:
        self._file.seek(first * self._row_bytes)
        view = memoryview(np.ascontiguousarray(rows, np.float32).reshape(-1).view(np.uint8))  # type: ignore[arg-type]
        try:
            while view:
                view = view[self._file.write(view) :]
        except OSError as err:
            raise StorageError(f"a layer of a large picture cannot be stored in the temporary folder: {err}") from err

    def __del__(self) -> None:
        self._file.close()


@dataclasses.dataclass(frozen=True)
class _Reach:
    """Which input a layer's output is made of.

    ``out`` are the output's sides; ``scale`` what rows of the input are repeated by before they are convolved;
    ``columns`` what is put before and behind each row; ``step`` what first rows of strips are multiples of.
    """

    layer: NetLayer
    out: tuple[int, int]
    scale: int
    columns: tuple[int, int]
    before: int
    step: int
    is_transposed: bool

    @classmethod
    def of(cls, layer: NetLayer, shape: tuple[int, ...], *, is_transposed: bool) -> _Reach:
        """Return that of ``layer`` on an input of ``shape``."""
        if is_transposed:
            return cls(layer, (2 * shape[0], 2 * shape[1]), 1, (1, 0), 1, 2, is_transposed=True)
        sides = [side * layer.scale for side in shape[:2]]
        out = (-(-sides[0] // layer.stride), -(-sides[1] // layer.stride))
        totals = [max((many - 1) * layer.stride + layer.size - side, 0) for many, side in zip(out, sides, strict=True)]
        columns = (totals[1] // 2, totals[1] - totals[1] // 2)
        return cls(layer, out, layer.scale, columns, totals[0] // 2, 1, is_transposed=False)

    def seen(self, rows: slice) -> tuple[int, int]:
        """Return the first row that the output ``rows`` see, and the one behind the last."""
        if self.is_transposed:
            return rows.start // 2 - 1, -(-rows.stop // 2)
        stride, size = self.layer.stride, self.layer.size
        return rows.start * stride - self.before, (rows.stop - 1) * stride - self.before + size
