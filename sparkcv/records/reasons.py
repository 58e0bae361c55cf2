"""Why records and pictures were left out, counted: the sentence that ends a run names what is wrong most often."""

import re
from collections.abc import Mapping

__all__ = ["allowed", "kind_of", "most_frequent"]

_LISTED = 10
_DETAILS = re.compile(r"'[^']*'|-?\b\d+\b")


def kind_of(reason: str) -> str:
    """Return a reason without what differs from one record to the next: numbers, names, and what follows a colon."""
    return _DETAILS.sub("#", reason).partition(":")[0]


def allowed(budget: float, total: int) -> float:
    """Return how many of ``total`` a share may cost: 0.07 of 100 are 7, and not the 7.000000000000001 of floats."""
    return round(budget * total, 6)


def most_frequent(counts: Mapping[str, int]) -> str:
    """Return the ten reasons that were counted most, the most frequent first, as ``empty 9, too large 2``."""
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    others = len(ranked) - _LISTED
    more = f" and {others} more reasons" if others > 0 else ""
    return ", ".join(f"{reason} {count}" for reason, count in ranked[:_LISTED]) + more
