"""A style transfer by patches before it begins: can it be done, its loss at a size, and how long it will take."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparkcv import logs
from sparkcv.errors import ImageError, UsageError
from sparkcv.style.mrf import STRIDE, MrfObjective, MrfTargets, style_patches
from sparkcv.style.objective import FeatureNet, content_values
from sparkcv.style.style_variants import sizes, variants
from sparkcv.style.task import TransferTask

__all__ = ["LEAST_SIDE", "check", "expected_s", "objective", "steps_of"]

Floats = NDArray[np.float32]

LEAST_SIDE = 24
"""Pixels: relu4_1 has three values there, which is one patch."""
# Of a pixel of a style: patches of relu3_1 and relu4_1, once more while they are put together.
_STYLE_BYTES = 2 * 4 * 9 * (256 / 4**2 + 512 / 8**2) / STRIDE**2
_TIMED = 3
_LOOKS = {"adam": 1.0, "lbfgs": 1.25}  # pictures that are looked at in a step
_MARGIN = 2.0  # what else the machine does
_log = logs.get(__name__)


def check(task: TransferTask, content: Floats, styles: Sequence[Floats], content_bytes: float) -> None:
    """Refuse what cannot be done; ``content_bytes`` are wanted without the styles.

    Raises:
        ImageError: a picture, or a style scaled and turned, has no patch.
        UsageError: it does not fit into the task's memory.
    """
    height, width = content.shape[:2]
    if min(height, width) < LEAST_SIDE:
        raise ImageError(f"--content: {width}x{height} pixels, wanted sides of at least {LEAST_SIDE}, for one patch")
    pixels = 0
    for url, style in zip(task.styles, styles, strict=True):
        for wide, high in sizes(style.shape[1], style.shape[0], task.mrf_rotations, task.mrf_scales):
            if min(wide, high) < LEAST_SIDE:
                raise ImageError(
                    f"--styles: {url!r} is {wide}x{high} pixels once it is scaled and turned, wanted sides of at least"
                    f" {LEAST_SIDE}, for one patch"
                )
            pixels += wide * high
    least = (content_bytes + pixels * _STYLE_BYTES) / 1e6
    if least > task.memory_mb:
        raise UsageError(
            f"--memory_mb {task.memory_mb}: a picture of {width}x{height} pixels and styles of {pixels} in all want"
            f" {least:.0f} at least, as --method mrf has no tiles"
        )


def objective(net: FeatureNet, task: TransferTask, content: Floats, styles: Sequence[Floats], mean: Any) -> Any:
    """Return the loss for ``content`` and ``styles``, 0 to 255, of a size of both."""
    mean = np.asarray(mean, np.float32)
    found = [one for style in styles for one in variants(style, task.mrf_rotations, task.mrf_scales, LEAST_SIDE)]
    # At a small size all may be too small, then the styles stand for themselves.
    patches = style_patches(net, [one - mean for one in found or styles])
    values = content_values(net, content - mean, task.weights.content_layers())
    return MrfObjective(net, MrfTargets(patches, values), task.weights)


def steps_of(task: TransferTask, level: int) -> int:
    """Return the steps of a resolution: the largest, of level 0, has those that are left."""
    share, rest = divmod(task.iterations, task.resolutions)
    return share + (rest if level == 0 else 0)


def expected_s(task: TransferTask, prepared: Callable[[int], tuple[Floats, Any]]) -> float:
    """Say how long the iterations will take, and return the seconds, by calls of each resolution's loss.

    ``prepared`` gives a resolution's picture and loss. The first call makes the graph, the slowest of the
    next three counts.
    """
    total = 0.0
    for level in range(task.resolutions):
        picture, loss = prepared(level)
        loss(picture)
        each_s = 0.0
        for _ in range(_TIMED):
            begun_s = time.monotonic()
            loss(picture)
            each_s = max(each_s, time.monotonic() - begun_s)
        each_s *= _LOOKS[task.optimizer.name]
        steps = steps_of(task, level)
        total += each_s * (steps + 1)
        _log.info("%dx%d pixels: %d iterations of %.2f s", picture.shape[1], picture.shape[0], steps, each_s)
    _log.info("will take about %s, at most %s", logs.duration(total), logs.duration(_MARGIN * total))
    return total
