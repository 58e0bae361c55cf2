"""How far tonight's labels are from those of the nights before: the population stability index."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Iterable, Mapping

__all__ = ["Drift", "FORMULA", "compare"]

FORMULA = "PSI = sum over labels of (p - q) ln(p / q)"
_HALF = 0.5  # of a picture, added to each label's count: one that is new or gone would be infinitely far


@dataclasses.dataclass(frozen=True)
class Drift:
    """Tonight's labels against those of ``num_nights`` nights before.

    Attributes:
        psi: the population stability index, 0 for equal shares; below 0.1 is commonly called stable, above 0.25
            changed.
        by_chance: what it would be, in the mean, if both were drawn from one distribution: (labels - 1)(1/n + 1/m)
            for n and m pictures. An index below a few times this tells nothing.
        before: pictures by label of all those nights together.
        parts: each label's part of the index.
        num_nights: how many nights.
    """

    psi: float
    by_chance: float
    before: Mapping[str, int]
    parts: Mapping[str, float]
    num_nights: int

    @property
    def is_large(self) -> bool:
        """Whether somebody should look: above 0.25, and far above what chance gives."""
        return self.psi > 0.25 and self.psi > 3 * self.by_chance


def compare(tonight: Mapping[str, int], nights: Iterable[Mapping[str, int]]) -> Drift | None:
    """Compare counts by label; None if there is no picture on one side.

    p is tonight's share of a label and q the share that all the ``nights`` have of it, of counts to each of which half
    a picture was added.
    """
    counts = list(nights)
    before: Counter[str] = Counter()
    for count in counts:
        before.update(count)
    num, num_before = sum(tonight.values()), sum(before.values())
    if not num or not num_before:
        return None
    labels = sorted({*tonight, *before})
    total, total_before = num + _HALF * len(labels), num_before + _HALF * len(labels)
    parts = {}
    for label in labels:
        p, q = (tonight.get(label, 0) + _HALF) / total, (before[label] + _HALF) / total_before
        parts[label] = (p - q) * math.log(p / q)
    by_chance = (len(labels) - 1) * (1 / num + 1 / num_before)
    return Drift(sum(parts.values()), by_chance, dict(before), parts, len(counts))
