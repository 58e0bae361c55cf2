"""Grow a texture from a sample, pixel by pixel: non-parametric sampling, a Markov random field without a model.

Efros and Leung 1999. A pixel is taken from the middle of a window of the sample, one of those that look the most like
what is known around the pixel; those that are nearer count more.
"""

from __future__ import annotations

import dataclasses
import time

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from sparkcv import logs

__all__ = ["TextureSpec", "grow", "table_bytes"]

Pixels = NDArray[np.uint8]

STARTS = ("patch", "sample")
_START_SIDE = 3
_MOST_ERROR = 0.3  # of a pixel's best window; where no pixel at the edge has one below, it is raised by a tenth
_SAME_ERROR = 1 / 255**2  # mean squares, of levels of 0 to 1: windows that differ by less are one
_TIMED_PIXELS = 50
_log = logs.get(__name__)


@dataclasses.dataclass(frozen=True)
class TextureSpec:
    """What is grown.

    Attributes:
        height: of the texture, in pixels.
        width: of the texture, in pixels.
        window: side of the window in pixels, odd: as large as the texture's largest regular feature.
        error_threshold: how much worse than the best a window may be that is still taken, as a share.
        start: ``patch``, 3x3 pixels of the sample, or ``sample``, the whole of it, which is continued; in the middle.
        seed: of all that is random.
    """

    height: int
    width: int
    window: int = 11
    error_threshold: float = 0.1
    start: str = "patch"
    seed: int = 0


def table_bytes(height: int, width: int, window: int) -> int:
    """Return how many bytes the windows of a sample take."""
    return 4 * 4 * (height - window + 1) * (width - window + 1) * window**2


def grow(sample: Pixels, spec: TextureSpec) -> Pixels:
    """Return a texture, uint8 ``[height, width, 3]``, each of whose pixels is one of ``sample``'s.

    ``sample`` is uint8 with sides of ``spec.window`` at least; with the start ``sample`` no larger than the texture.
    """
    rng = np.random.default_rng(spec.seed)
    windows = _Windows(sample, spec)
    half = spec.window // 2
    canvas = np.zeros((spec.height + 2 * half, spec.width + 2 * half, 3), np.float32)
    known = np.zeros(canvas.shape[:2], bool)
    _place(canvas, known, _start(sample, spec, rng), half)
    inner = known[half : half + spec.height, half : half + spec.width]
    total, done, most = inner.size, int(inner.sum()), _MOST_ERROR
    progress, begun_s, first = logs.Progress("texture", total, "pixel"), time.monotonic(), done
    while done < total:
        grown = 0
        for row, column in _edge(inner, rng):
            seen = slice(row, row + spec.window), slice(column, column + spec.window)
            pixel, error = windows.pick(canvas[seen], known[seen], rng)
            if error >= most:
                continue
            canvas[row + half, column + half], inner[row, column] = pixel, True
            grown += 1
            if done + grown - first == _TIMED_PIXELS:
                each_s = (time.monotonic() - begun_s) / _TIMED_PIXELS
                _log.info("will take about %s: %.1f ms a pixel", logs.duration(each_s * total), 1000 * each_s)
            progress.update(done + grown)
        done += grown
        most = most if grown else 1.1 * most
    progress.close()
    return np.rint(canvas[half : half + spec.height, half : half + spec.width] * 255).astype(np.uint8)


class _Windows:
    """All windows of a sample, as rows of a matrix: how far they are from one is two matrix products."""

    def __init__(self, sample: Pixels, spec: TextureSpec) -> None:
        size, half = spec.window, spec.window // 2
        levels = sample.astype(np.float32) / 255
        views = sliding_window_view(levels, (size, size), axis=(0, 1)).transpose(0, 1, 3, 4, 2)
        self._rows = views.reshape(-1, size * size * 3)
        self._squares = np.square(self._rows).reshape(-1, size * size, 3).sum(axis=2)
        self._centers = levels[half : sample.shape[0] - half, half : sample.shape[1] - half].reshape(-1, 3)
        away = np.square(np.arange(size) - half)
        self._weights = np.exp((away[:, None] + away) / (-2 * (size / 6.4) ** 2)).astype(np.float32)
        self._share = 1 + spec.error_threshold

    def pick(
        self, around: NDArray[np.float32], known: NDArray[np.bool_], rng: np.random.Generator
    ) -> tuple[NDArray[np.float32], float]:
        """Return the middle of one of the windows that are the nearest to ``around`` where it is known, and its error.

        The error is a mean of squared differences, weighed by a Gaussian, of levels of 0 to 1.
        """
        weights = self._weights * known
        weights = weights / (3 * weights.sum())
        weighed = (weights[..., None] * around).ravel()
        errors = self._squares @ weights.ravel() - 2 * (self._rows @ weighed) + weighed @ around.ravel()
        least = max(float(errors.min()), 0.0)
        taken = rng.choice(np.flatnonzero(errors <= least * self._share + _SAME_ERROR))
        return self._centers[taken], float(errors[taken])


def _start(sample: Pixels, spec: TextureSpec, rng: np.random.Generator) -> Pixels:
    if spec.start == "sample":
        return sample
    row, column = (int(rng.integers(0, side - _START_SIDE + 1)) for side in sample.shape[:2])
    return sample[row : row + _START_SIDE, column : column + _START_SIDE]


def _place(canvas: NDArray[np.float32], known: NDArray[np.bool_], start: Pixels, half: int) -> None:
    """Put ``start`` into the middle of the canvas, which has ``half`` unknown pixels around it."""
    height, width = (side - 2 * half for side in canvas.shape[:2])
    top, left = half + (height - start.shape[0]) // 2, half + (width - start.shape[1]) // 2
    canvas[top : top + start.shape[0], left : left + start.shape[1]] = start.astype(np.float32) / 255
    known[top : top + start.shape[0], left : left + start.shape[1]] = True


def _edge(known: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.int64]:
    """Return row and column of each unknown pixel beside known ones: those with the most first, else by chance."""
    around = sliding_window_view(np.pad(known, 1).astype(np.int8), (3, 3)).sum(axis=(2, 3))
    places = np.argwhere((around > 0) & ~known)
    rng.shuffle(places)
    return places[np.argsort(-around[places[:, 0], places[:, 1]], kind="stable")]
