"""Enlarge a picture by what other pictures look like up close: candidate patches that must agree where they overlap.

Freeman and Liu 2011, "Markov random fields for super-resolution and texture synthesis". A picture that is enlarged by
bicubic interpolation lacks its finest details. Patches of example pictures, which were made small and enlarged
likewise, say which details go with what can be seen; belief propagation chooses among the candidates of neighbouring
patches.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from PIL import Image

from sparkcv import logs
from sparkcv.style.belief_propagation import best_labels

__all__ = ["ExamplePatches", "SuperResolutionSpec", "enlarged", "example_patches", "least_side", "used_bytes"]

Floats = NDArray[np.float32]
Pixels = NDArray[np.uint8]

_CONTEXT = 1  # pixels around a patch that are looked at, too
_FLOOR = 2.0  # levels: the contrast of what is flat
_AGREEMENT = np.float32(0.03)  # what overlaps count: what is seen differs less than the details that go with it
_CHUNK_VALUES = 2**22  # distances that are held at once
_log = logs.get(__name__)


@dataclasses.dataclass(frozen=True)
class SuperResolutionSpec:
    """How a picture is enlarged.

    Attributes:
        scale: factor of both sides.
        patch_size: side of a patch of details, in pixels of the larger picture, odd.
        overlap: pixels that neighbouring patches share.
        candidates: patches of the examples that each place chooses from.
        iterations: of belief propagation.
        max_patches: patches of examples that are kept, by chance where there are more.
        seed: of that chance.
    """

    scale: int = 2
    patch_size: int = 5
    overlap: int = 2
    candidates: int = 8
    iterations: int = 5
    max_patches: int = 100_000
    seed: int = 0


@dataclasses.dataclass(frozen=True)
class ExamplePatches:
    """What goes with what: ``seen`` ``[patches, values]`` and ``details`` ``[patches, values]``, of contrast 1."""

    seen: Floats
    details: Floats


def least_side(spec: SuperResolutionSpec) -> int:
    """Return the least side, in pixels, of an example."""
    return spec.scale * -(-spec.patch_size // spec.scale)


def used_bytes(height: int, width: int, spec: SuperResolutionSpec) -> int:
    """Return the bytes that enlarging a picture of this size takes: candidates, their costs, the examples."""
    step = spec.patch_size - spec.overlap
    places = (height * spec.scale // step + 1) * (width * spec.scale // step + 1)
    values = spec.patch_size**2 + (spec.patch_size + 2 * _CONTEXT) ** 2
    each = spec.candidates * (8 * spec.candidates + 3 * spec.patch_size**2) + values
    return 4 * (places * each + 2 * spec.max_patches * values + 6 * _CHUNK_VALUES) + 80 * height * width * spec.scale**2


def example_patches(pictures: Sequence[Pixels], spec: SuperResolutionSpec) -> ExamplePatches:
    """Return the patches of ``pictures``, uint8 ``[height, width, 3]``, each with sides of :func:`least_side`."""
    rng = np.random.default_rng(spec.seed)
    share = -(-spec.max_patches // len(pictures))
    seen, details = [], []
    for pixels in pictures:
        height, width = (side // spec.scale * spec.scale for side in pixels.shape[:2])
        whole = _luma(pixels[:height, :width])
        blurred = _resized(_resized(whole, height // spec.scale, width // spec.scale), height, width)
        fine = _windows(whole - blurred, spec.patch_size, 1)
        kept = divmod(rng.permutation(fine.shape[0] * fine.shape[1])[:share], fine.shape[1])
        found, contrast = _of_contrast_1(_around(blurred, spec.scale, spec.patch_size, 1)[kept])
        seen.append(found)
        details.append(fine[kept].reshape(len(found), -1) / contrast[:, None])
    return ExamplePatches(np.concatenate(seen), np.concatenate(details))


def enlarged(pixels: Pixels, examples: ExamplePatches, spec: SuperResolutionSpec) -> Pixels:
    """Return ``pixels``, uint8 ``[height, width, 3]``, ``spec.scale`` times as high and wide.

    Red, green and blue are enlarged one by one: the examples' brightness says how each gets its edges.
    """
    made: list[Pixels] = []
    for channel in range(3):
        same = next((old for old in range(channel) if (pixels[..., old] == pixels[..., channel]).all()), None)
        values = pixels[..., channel].astype(np.float32)
        made.append(_enlarged(values, examples, spec) if same is None else made[same])
    return np.stack(made, axis=-1)


def _enlarged(values: Floats, examples: ExamplePatches, spec: SuperResolutionSpec) -> Pixels:
    height, width = (side * spec.scale for side in values.shape)
    blurred = _resized(values, height, width)
    step = spec.patch_size - spec.overlap
    # Whole steps: patches reach beyond the right and the lower edge, where the last row and column are repeated.
    more = [
        (-(side - spec.patch_size) % step if side > spec.patch_size else spec.patch_size - side)
        for side in blurred.shape
    ]
    padded = np.pad(blurred, ((0, more[0]), (0, more[1])), "edge")
    seen, contrast = _seen(padded, spec.scale, spec.patch_size, step)
    rows, columns = contrast.shape
    nearest, differences = _nearest(seen.reshape(rows * columns, -1), examples.seen, spec.candidates)
    evidence = differences.reshape(rows, columns, -1) * contrast[..., None] ** 2
    details = examples.details[nearest].reshape(rows, columns, -1, spec.patch_size, spec.patch_size)
    details = details * contrast[..., None, None, None]
    across = _AGREEMENT * _disagreement(details[:, :-1, ..., step:], details[:, 1:, ..., : spec.overlap])
    down = _AGREEMENT * _disagreement(details[:-1, ..., step:, :], details[1:, ..., : spec.overlap, :])
    _log.info("%d patches of %d candidates each", rows * columns, details.shape[2])
    labels = best_labels(evidence, across, down, spec.iterations)
    chosen = np.take_along_axis(details, labels[..., None, None, None], axis=2)[:, :, 0]
    fine = blurred + _blended(chosen, padded.shape, step)[:height, :width]
    return np.rint(np.clip(fine, 0, 255)).astype(np.uint8)


def _luma(pixels: Pixels) -> Floats:
    return np.asarray(Image.fromarray(pixels).convert("YCbCr").getchannel(0)).astype(np.float32)


def _resized(values: Floats, height: int, width: int) -> Floats:
    return np.asarray(Image.fromarray(values).resize((width, height), Image.Resampling.BICUBIC))


def _windows(values: Floats, size: int, step: int) -> Floats:
    return sliding_window_view(values, (size, size))[::step, ::step]


def _seen(blurred: Floats, scale: int, patch_size: int, step: int) -> tuple[Floats, Floats]:
    """Return what is seen at each patch and around it, of contrast 1, ``[rows, columns, values]``, and the contrast."""
    windows = _around(blurred, scale, patch_size, step)
    shape = windows.shape[:2]
    found, contrast = _of_contrast_1(windows.reshape(-1, *windows.shape[2:]))
    return found.reshape(*shape, -1), contrast.reshape(shape)


def _around(blurred: Floats, scale: int, patch_size: int, step: int) -> Floats:
    """Return a view of the windows of each patch with its context, ``[rows, columns, size, size]``.

    The coarse part is taken off, for details do not depend on it.
    """
    padded = np.pad(blurred - _smooth(blurred, 1.5 * scale), _CONTEXT, "edge")
    return _windows(padded, patch_size + 2 * _CONTEXT, step)


def _of_contrast_1(windows: Floats) -> tuple[Floats, Floats]:
    """Return windows ``[patches, size, size]`` as rows over their contrast, and the contrast."""
    found = windows.reshape(len(windows), -1)
    contrast = np.sqrt(np.square(found).mean(axis=1)) + np.float32(_FLOOR)
    return found / contrast[:, None], contrast


def _smooth(values: Floats, radius: float) -> Floats:
    """Return ``values`` blurred by a Gaussian of standard deviation ``radius`` pixels."""
    reach = int(3 * radius + 0.5)
    weights = np.exp(np.square(np.arange(-reach, reach + 1)) / (-2 * radius**2))
    weights = (weights / weights.sum()).astype(np.float32)
    for axis in (0, 1):
        around = [(reach, reach) if axis == other else (0, 0) for other in (0, 1)]
        values = sliding_window_view(np.pad(values, around, "edge"), 2 * reach + 1, axis=axis) @ weights
    return values


def _nearest(found: Floats, known: Floats, count: int) -> tuple[NDArray[np.int64], Floats]:
    """Return the ``count`` nearest rows of ``known`` for each of ``found``, and the means of squared differences."""
    count = min(count, len(known))
    lengths = np.square(known).sum(axis=1)
    indices, differences = [], []
    chunk, progress = max(1, _CHUNK_VALUES // len(known)), logs.Progress("look-up", len(found), "patch")
    for start in range(0, len(found), chunk):
        rows = found[start : start + chunk]
        away = lengths - 2 * (rows @ known.T)
        taken = np.argpartition(away, count - 1, axis=1)[:, :count].copy()  # a view would keep the whole
        indices.append(taken)
        differences.append(np.take_along_axis(away, taken, axis=1) + np.square(rows).sum(axis=1, keepdims=True))
        progress.update(start + len(rows))
    progress.close()
    return np.concatenate(indices), np.maximum(np.concatenate(differences), 0) / found.shape[1]


def _disagreement(one: Floats, other: Floats) -> Floats:
    """Return the mean of squared differences of each candidate of ``one`` with each of ``other``, where both lie."""
    first, second = (values.reshape(*values.shape[:3], values.shape[3] * values.shape[4]) for values in (one, other))
    products = first @ second.swapaxes(-1, -2)
    squares = np.square(first).sum(-1)[..., :, None] + np.square(second).sum(-1)[..., None, :]
    return np.maximum(squares - 2 * products, 0) / np.float32(first.shape[-1])


def _blended(chosen: Floats, shape: tuple[int, ...], step: int) -> Floats:
    """Return the mean of the patches that lie over each pixel; ``chosen`` are ``[rows, columns, size, size]``."""
    total, count = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    rows, columns, size, _ = chosen.shape
    for top in range(size):
        for left in range(size):
            at = slice(top, top + step * (rows - 1) + 1, step), slice(left, left + step * (columns - 1) + 1, step)
            total[at] += chosen[:, :, top, left]
            count[at] += 1
    return total / count
