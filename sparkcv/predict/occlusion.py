"""What a class loses where a patch of the picture is covered: a map of what mattered, for every net and engine.

See Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["occlusion_map", "scaled"]

_STEPS = 7
_BATCH = 8  # others' batches come between


def occlusion_map(
    score: Callable[[NDArray[np.float32]], NDArray[np.float32]], image: NDArray[np.float32], label_id: int
) -> NDArray[np.float32]:
    """Return how much of a class's score is lost where a patch is covered with the mean: ``[7, 7]`` in [0, 1].

    Args:
        score: gives the probabilities ``[batch, classes]`` of pixels ``[batch, size, size, channels]``.
        image: ``[size, size, channels]`` as the net takes it.
        label_id: the class, a column of the probabilities.
    """
    edges = np.linspace(0, image.shape[0], _STEPS + 1).round().astype(int)
    covered = np.repeat(image[None], _STEPS * _STEPS + 1, axis=0)
    fill = image.mean((0, 1))
    for index in range(_STEPS * _STEPS):
        row, column = divmod(index, _STEPS)
        covered[index, edges[row] : edges[row + 1], edges[column] : edges[column + 1]] = fill
    parts = [score(covered[at : at + _BATCH])[:, label_id] for at in range(0, len(covered), _BATCH)]
    scores = np.concatenate(parts)
    return scaled(np.maximum(scores[-1] - scores[:-1], 0).reshape(_STEPS, _STEPS))


def scaled(values: NDArray[Any]) -> NDArray[np.float32]:
    """Return a map stretched to [0, 1], all zeros where it is flat."""
    least, span = float(values.min()), float(np.ptp(values))
    return ((values - least) / span if span > 0 else np.zeros_like(values)).astype(np.float32)
