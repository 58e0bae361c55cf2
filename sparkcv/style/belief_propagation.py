"""The best labels of a grid whose neighbours must agree, by belief propagation: min-sum, in sweeps over the grid.

Pearl 1988; for pictures Freeman et al. 2000, https://doi.org/10.1023/A:1026501619075. On a chain, a grid of one row or
one column, the labels are the best ones; on a grid with circles they are good ones.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["best_labels", "energy"]

Floats = NDArray[np.float32]
Labels = NDArray[np.int64]


def best_labels(evidence: Floats, across: Floats, down: Floats, iterations: int) -> Labels:
    """Return the labels ``[rows, columns]`` of least energy that were found; never worse than without neighbours.

    Args:
        evidence: ``[rows, columns, labels]``, the cost of each label at each place.
        across: ``[rows, columns - 1, labels, labels]``, the cost of two labels, left and right of each other.
        down: ``[rows - 1, columns, labels, labels]``, that of two labels above and below each other.
        iterations: how often the grid is swept over, in all four directions each time.
    """
    messages = np.zeros((4, *evidence.shape), np.float32)  # to each place, from the left, right, top, bottom
    turned = evidence.transpose(1, 0, 2), messages.transpose(0, 2, 1, 3)
    best = np.argmin(evidence, axis=2)
    least = energy(best, evidence, across, down)
    for _ in range(iterations):
        _sweep(evidence, messages, across, come_from=0, go_to=1)
        _sweep(*turned, down.transpose(1, 0, 2, 3), come_from=2, go_to=3)
        labels = np.argmin(evidence + messages.sum(axis=0), axis=2)
        found = energy(labels, evidence, across, down)
        if found < least:
            best, least = labels, found
    return best


def _sweep(evidence: Floats, messages: Floats, costs: Floats, *, come_from: int, go_to: int) -> None:
    """Renew the messages from column to column, to the right and back; ``costs`` are those of neighbouring columns."""
    columns = evidence.shape[1]
    others = [index for index in range(4) if index not in (come_from, go_to)]
    for column in range(1, columns):
        told = evidence[:, column - 1] + messages[[come_from, *others], :, column - 1].sum(axis=0)
        messages[come_from, :, column] = _least(told[:, :, None] + costs[:, column - 1], axis=1)
    for column in range(columns - 2, -1, -1):
        told = evidence[:, column + 1] + messages[[go_to, *others], :, column + 1].sum(axis=0)
        messages[go_to, :, column] = _least(told[:, None, :] + costs[:, column], axis=2)


def _least(values: Floats, axis: int) -> Floats:
    found = values.min(axis=axis)
    return found - found.min(axis=1, keepdims=True)  # or they grow without end


def energy(labels: Labels, evidence: Floats, across: Floats, down: Floats) -> float:
    """Return the sum of all costs of ``labels``."""
    rows, columns = np.arange(labels.shape[0])[:, None], np.arange(labels.shape[1])[None]
    own = evidence[rows, columns, labels].sum(dtype=np.float64)
    beside = across[rows, columns[:, :-1], labels[:, :-1], labels[:, 1:]].sum(dtype=np.float64)
    below = down[rows[:-1], columns, labels[:-1], labels[1:]].sum(dtype=np.float64)
    return float(own + beside + below)
