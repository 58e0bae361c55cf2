"""A range of numbers, as a flag declares it, checks it and shows it."""

import dataclasses
import math

__all__ = ["Range"]


@dataclasses.dataclass(frozen=True)
class Range:
    """The numbers that a flag takes; infinities and NaN are in none."""

    least: float | None = None
    most: float | None = None
    above: float | None = None
    below: float | None = None

    def __contains__(self, value: float) -> bool:
        return (
            -math.inf < value < math.inf
            and (self.least is None or value >= self.least)
            and (self.most is None or value <= self.most)
            and (self.above is None or value > self.above)
            and (self.below is None or value < self.below)
        )

    def __str__(self) -> str:
        if self.least is not None and self.most is not None:
            return f"{self.least} to {self.most}"
        if self.above is not None and self.below is not None:
            return f"a number between {self.above} and {self.below}"
        parts = (("at least", self.least), ("at most", self.most), ("more than", self.above), ("less than", self.below))
        return " and ".join(f"{words} {bound}" for words, bound in parts if bound is not None)
