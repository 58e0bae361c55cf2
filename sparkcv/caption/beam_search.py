"""Beam search for the captions of a batch of pictures at once, one step of the net for all of their beams.

The rules are im2txt's: of the partial captions of a picture the most probable are kept, complete ones compete among
themselves, and only a picture without a complete one has partial ones for its captions.
"""

from __future__ import annotations

import dataclasses
import heapq
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["BeamRules", "FoundCaption", "search"]

_LEAST_LOG = math.log(1e-12)  # a word that is less probable is never taken

Step = Callable[[NDArray[np.int64], Any], tuple[NDArray[np.float32], NDArray[np.int64], Any]]
"""From the newest word of each row, int64 ``[rows]``, and the rows' states to the natural logarithms of probability of
the ``width`` most probable next words, ``[rows, width]``, most probable first, those words, and the new states."""


@dataclasses.dataclass(frozen=True)
class BeamRules:
    """How captions are searched.

    Attributes:
        start_id: the word before the first one.
        end_id: the word behind the last one.
        width: partial captions that are kept; 1 is greedy.
        max_words: words of a caption at most, its begin among them.
        length_normalization: x, where complete captions are compared by logarithm of probability / words ** x; 0: not.
    """

    start_id: int
    end_id: int
    width: int = 3
    max_words: int = 20
    length_normalization: float = 0.0


@dataclasses.dataclass(frozen=True, order=True)
class FoundCaption:
    """One caption: ordered by ``score``; ``ids`` are from the begin to the end of the sentence, if it has one."""

    score: float
    log_probability: float
    ids: tuple[int, ...]

    @property
    def probability(self) -> float:
        """How probable the caption is for the picture, by the net."""
        return math.exp(self.log_probability)


def search(states: NDArray[Any], step: Step, rules: BeamRules) -> list[list[FoundCaption]]:
    """Return the captions of each picture, best first, at most ``width``.

    ``states`` are the net's after it has read the pictures, ``[pictures, ...]``; of those that ``step`` gives, rows are
    taken in the same way.
    """
    num, width = len(states), rules.width
    ids = np.full((num, 1, 1), rules.start_id, np.int64)
    totals = np.zeros((num, 1))
    complete: list[list[FoundCaption]] = [[] for _ in range(num)]
    for _ in range(rules.max_words - 1):
        beams = ids.shape[1]
        logs, words, states = step(ids[:, :, -1].reshape(-1), states)
        logs, words = logs.reshape(num, beams, -1), words.reshape(num, beams, -1)
        new = totals[:, :, None] + np.where(logs < _LEAST_LOG, -np.inf, logs)
        is_end = words == rules.end_id
        for picture, beam, place in zip(*np.nonzero(is_end & np.isfinite(new)), strict=True):
            whole = (*ids[picture, beam].tolist(), rules.end_id)
            _keep(complete[picture], float(new[picture, beam, place]), whole, rules)
        new = np.where(is_end, -np.inf, new).reshape(num, -1)
        kept = np.argsort(-new, axis=1, kind="stable")[:, :width]
        of_picture = np.arange(num)[:, None]
        totals = new[of_picture, kept]
        if not rules.length_normalization:
            # A partial caption only loses: one that is worse than all of a full list can come to nothing.
            bars = [found[0].score if len(found) == width else -np.inf for found in complete]
            totals = np.where(totals < np.array(bars)[:, None], -np.inf, totals)
        parents = kept // words.shape[2]
        newest = words.reshape(num, -1)[of_picture, kept]
        ids = np.concatenate([ids[of_picture, parents], newest[:, :, None]], axis=2)
        states = states[(of_picture * beams + parents).reshape(-1)]
        if not np.isfinite(totals).any():
            break
    for picture, found in enumerate(complete):
        if not found:
            for partial, total in zip(ids[picture], totals[picture], strict=True):
                if np.isfinite(total):
                    found.append(FoundCaption(float(total), float(total), tuple(partial.tolist())))
    return [sorted(found, reverse=True) for found in complete]


def _keep(found: list[FoundCaption], total: float, ids: tuple[int, ...], rules: BeamRules) -> None:
    """Put a complete caption among the best of its picture, a heap."""
    score = total / len(ids) ** rules.length_normalization
    push = heapq.heappush if len(found) < rules.width else heapq.heappushpop
    push(found, FoundCaption(score, total, ids))
