"""The training run's `metrics.jsonl` as curves that a person can read, whatever restarts the run went through.

The chief appends one JSON line per logged step. A run that went back to a checkpoint writes some steps twice: the
newest line of a step is the one that led to the final weights, so the earlier ones move to `Curves.superseded` and
the place of the restart is kept. A half-written last line, or any other line that does not read, is counted and
left out: a curve is a help, never a reason to fail an evaluation.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sparkcv import storage

FILE_NAME = "metrics.jsonl"
"""Its name in a train_dir."""


@dataclass(frozen=True)
class Point:
    """What the chief logged at one step; a value that was absent or not finite is None.

    ``recorded`` are the run's own losses, such as those of two nets, by their names.
    """

    step: int
    loss: float | None
    learning_rate: float | None
    images_per_s: float | None
    recorded: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Curves:
    """The points of a run in order of step, those that a restart undid, and the steps it restarted at."""

    points: tuple[Point, ...] = ()
    superseded: tuple[tuple[Point, ...], ...] = ()
    restarts: tuple[int, ...] = ()
    num_unreadable: int = 0


@dataclass
class _Reader:
    """Collects lines in file order; a step that does not grow is a restart."""

    points: list[Point] = field(default_factory=list)
    superseded: list[tuple[Point, ...]] = field(default_factory=list)
    restarts: list[int] = field(default_factory=list)

    def add(self, point: Point) -> None:
        if self.points and point.step <= self.points[-1].step:
            keep = len(self.points)
            while keep and self.points[keep - 1].step >= point.step:
                keep -= 1
            # One point before the fork, so that the undone branch is drawn joined to the curve.
            self.superseded.append(tuple(self.points[max(keep - 1, 0) :]))
            del self.points[keep:]
            self.restarts.append(point.step)
        self.points.append(point)


def _number(value: Any) -> float | None:
    usable = isinstance(value, int | float) and not isinstance(value, bool)
    try:
        return float(value) if usable and math.isfinite(value) else None
    except OverflowError:  # JSON integers have no upper end, floats do
        return None


def _point(line: str) -> Point | None:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    step = row.get("step") if isinstance(row, dict) else None
    if not isinstance(step, int) or isinstance(step, bool) or not 0 <= step < 2**63:
        return None
    own = {name: value for name in row if name.endswith("_loss") and (value := _number(row[name])) is not None}
    loss, rate, speed = (_number(row.get(name)) for name in ("loss", "learning_rate", "images_per_s"))
    return Point(step, loss, rate, speed, own)


def parse(lines: Iterable[str]) -> Curves:
    """Return the curves in the lines of a `metrics.jsonl`; count lines that do not parse, skip blank ones."""
    reader = _Reader()
    num_unreadable = 0
    for line in lines:
        if not line.strip():
            continue
        point = _point(line)
        if point is None:
            num_unreadable += 1
        else:
            reader.add(point)
    return Curves(tuple(reader.points), tuple(reader.superseded), tuple(reader.restarts), num_unreadable)


def read(train_dir: str) -> Curves:
    """Read the curves of the run in ``train_dir`` (a storage URL); empty if it logged none. Raise StorageError."""
    url = storage.join(train_dir, FILE_NAME)
    if not storage.exists(url):
        return Curves()
    return parse(storage.read_bytes(url).decode("utf-8", "replace").splitlines())


def smooth(values: Sequence[float | None], share: float = 0.08) -> list[float | None]:
    """Return the mean of each value's neighbourhood; gaps (None) stay gaps and count in no mean.

    The neighbourhood is centred, so that, unlike an exponential average, the smooth line does not trail behind a
    falling loss; at both ends the half that there is must do.

    Args:
        values: in order of step.
        share: of all values, that a neighbourhood holds; a few values are left as they are.
    """
    radius = round(share * len(values) / 2)
    sums, counts = [0.0], [0]
    for value in values:
        sums.append(sums[-1] + (value or 0.0))
        counts.append(counts[-1] + (value is not None))
    result: list[float | None] = []
    for i, value in enumerate(values):
        low, high = max(0, i - radius), min(len(values), i + radius + 1)
        result.append(None if value is None else (sums[high] - sums[low]) / (counts[high] - counts[low]))
    return result
