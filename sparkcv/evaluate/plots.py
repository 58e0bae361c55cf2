"""Line charts and heat maps as geometry; the report's templates draw them as inline SVG and HTML.

Drawn by hand rather than by a plotting library for what a page needs and a picture cannot give: colours that
follow the reader's light or dark scheme, text that can be searched, read aloud and set right to left, tooltips, a
few kilobytes instead of hundreds, and class names that are never parsed (a plotting library takes ``$`` for maths).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

WIDTH = 520
HEIGHT = 250
LEFT, RIGHT, TOP, BOTTOM = 58, 14, 14, 42
MAX_POINTS = 500
"""More points than this on one line are thinned to the extremes of each bucket: the picture stays the same."""

Style = Literal["raw", "smooth", "undone"]
XY = tuple[float, float | None]


@dataclass(frozen=True)
class Line:
    """One line of a chart in data units; a y of None is a gap. ``style`` says how strong it is drawn."""

    name: str
    points: Sequence[XY]
    style: Style = "smooth"


@dataclass(frozen=True)
class Tick:
    """A grid line: its place in pixels and its text."""

    at: float
    text: str


@dataclass(frozen=True)
class Path:
    """A drawn line: SVG path data in pixels; ``dots`` are lone points, which a path of no length would not show."""

    name: str
    style: Style
    data: str
    dots: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class LineChart:
    """A drawn chart. ``description`` says in words what a reader without eyes should know."""

    title: str
    description: str
    x_label: str
    y_label: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    paths: tuple[Path, ...]
    marks: tuple[Tick, ...]
    mark_name: str
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    top: int = TOP
    bottom: int = HEIGHT - BOTTOM

    def legend(self) -> list[tuple[str, str]]:
        """Return (style, name) of each kind of line, strongest first; vertical marks have the style "mark"."""
        entries = {path.style: path.name for path in reversed(self.paths)}
        return [*entries.items(), *([("mark", self.mark_name)] if self.marks else [])]


def nice_ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Return about ``count`` round numbers (1, 2 or 5 times a power of ten) inside [low, high]."""
    if not high > low:
        return [low]
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [i * step for i in range(first, last + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Return powers of ten inside [low, high], with 2 and 5 times them where there would be fewer than three."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    inside = [value for value in (10.0**d for d in decades) if low <= value <= high]
    if len(inside) >= 3:
        return inside[:: math.ceil(len(inside) / 7)]
    return [value for d in decades for value in (10.0**d, 2 * 10.0**d, 5 * 10.0**d) if low <= value <= high]


def number(value: float) -> str:
    """Return a short form for an axis or a table: 12k, 3.5M, 0.045, 1e-05."""
    size = abs(value)
    if size >= 1e12 or 0 < size < 1e-3:
        return f"{value:.2g}"
    for unit, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if size >= (10 * unit if suffix == "k" else unit):
            return f"{value / unit:.4g}{suffix}"
    return f"{value:.4g}"


def thin(points: Sequence[XY], limit: int = MAX_POINTS) -> list[XY]:
    """Return at most about ``limit`` of the ``points``: each bucket keeps its lowest and its highest, in order."""
    if len(points) <= limit:
        return list(points)
    size = math.ceil(2 * len(points) / limit)
    kept: list[XY] = []
    for start in range(0, len(points), size):
        bucket = points[start : start + size]
        known = [(y, i) for i, (_, y) in enumerate(bucket) if y is not None]
        ends = sorted({min(known)[1], max(known)[1]}) if known else [0]
        kept += [bucket[i] for i in ends]
    return kept


class _Axis:
    """Data units to pixels; ``log`` axes want positive numbers."""

    def __init__(self, low: float, high: float, start: float, end: float, *, log: bool = False) -> None:
        if not high > low:  # one value only: put it in the middle
            margin = abs(low) / 2 or 1.0
            low, high = (low / 2, high * 2) if log else (low - margin, high + margin)
        self.low, self.high, self.log = low, high, log
        self.start, self.end = start, end

    def __call__(self, value: float) -> float:
        scale = math.log if self.log else float
        share = (scale(value) - scale(self.low)) / (scale(self.high) - scale(self.low))
        return round(self.start + share * (self.end - self.start), 1)

    def ticks(self, count: int) -> tuple[Tick, ...]:
        values = log_ticks(self.low, self.high) if self.log else nice_ticks(self.low, self.high, count)
        return tuple(Tick(self(value), number(value)) for value in values)


def _path(line: Line, x_axis: _Axis, y_axis: _Axis) -> Path:
    data: list[str] = []
    dots: list[tuple[float, float]] = []
    run: list[tuple[float, float]] = []

    def end_run() -> None:
        if len(run) == 1:
            dots.append(run[0])
        elif run:
            data.append("M" + "L".join(f"{x:g},{y:g}" for x, y in run))
        run.clear()

    for x, y in thin(line.points):
        if y is None or (y_axis.log and y <= 0):
            end_run()
        else:
            run.append((x_axis(x), y_axis(y)))
    end_run()
    return Path(line.name, line.style, "".join(data), tuple(dots))


def line_chart(
    title: str,
    lines: Sequence[Line],
    *,
    x_label: str,
    y_label: str,
    from_zero: bool = False,
    marks: Sequence[tuple[float, str]] = (),
    mark_name: str = "",
) -> LineChart | None:
    """Draw ``lines``; return None when no line holds a point.

    Args:
        title: also the first words of the description.
        lines: drawn in order, so the strongest comes last.
        x_label: with its unit.
        y_label: with its unit.
        from_zero: whether the y axis begins at 0 (never on a logarithmic one, which positive values that span
            more than a factor of 100 get).
        marks: (x, text) of vertical lines, such as restarts; those outside the data are left out.
        mark_name: what they are, for the legend.
    """
    known = [(x, y) for line in lines for x, y in line.points if y is not None]
    if not known:
        return None
    xs, ys = [x for x, _ in known], [y for _, y in known]
    log = min(ys) > 0 and max(ys) > 100 * min(ys)
    low = 0.0 if from_zero and not log and min(ys) >= 0 else min(ys)
    margin = 0 if log else 0.05 * (max(ys) - low)
    low -= 0 if low == 0 else margin
    x_axis = _Axis(min(xs), max(xs), LEFT, WIDTH - RIGHT)
    y_axis = _Axis(low, max(ys) + margin, HEIGHT - BOTTOM, TOP, log=log)
    return LineChart(
        title=title,
        description=f"{title}: {y_label} from {x_label} {number(min(xs))} to {number(max(xs))}, "
        f"between {number(min(ys))} and {number(max(ys))}, {number(ys[-1])} at the end",
        x_label=x_label,
        y_label=y_label + (" (logarithmic)" if log else ""),
        x_ticks=x_axis.ticks(min(6, max(1, round(max(xs) - min(xs))))),  # steps are whole
        y_ticks=y_axis.ticks(5),
        paths=tuple(_path(line, x_axis, y_axis) for line in lines),
        marks=tuple(Tick(x_axis(x), text) for x, text in marks if min(xs) <= x <= max(xs)),
        mark_name=mark_name,
    )


@dataclass(frozen=True)
class HeatCell:
    """One count of a heat map, with its ``share`` of its row's total in [0, 1]."""

    count: int
    share: float
    is_diagonal: bool

    @property
    def shade(self) -> float:
        """Strength of the colour in [0, 1]; off the diagonal the root, as a mistake of 5 % must be seen."""
        return self.share if self.is_diagonal else math.sqrt(self.share)


@dataclass(frozen=True)
class HeatMap:
    """A square table of counts with the same names down (``row_title``) and across (``column_title``)."""

    caption: str
    row_title: str
    column_title: str
    names: tuple[str, ...]
    rows: tuple[tuple[HeatCell, ...], ...]
    totals: tuple[int, ...]


def heat_map(
    caption: str, names: Sequence[str], counts: dict[tuple[int, int], int], *, row_title: str, column_title: str
) -> HeatMap:
    """Return the heat map of (row, column) -> count; pairs outside ``names`` count in the row's total only."""
    totals = [0] * len(names)
    for (row, _), count in counts.items():
        totals[row] += count
    rows = tuple(
        tuple(
            HeatCell(counts.get((row, column), 0), counts.get((row, column), 0) / (totals[row] or 1), row == column)
            for column in range(len(names))
        )
        for row in range(len(names))
    )
    return HeatMap(caption, row_title, column_title, tuple(names), rows, tuple(totals))
