"""The report's section on the training run: its curves, its restarts, and what its evaluator found meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from sparkcv.evaluate.counts import count, percent
from sparkcv.evaluate.curves import Curves, Point, smooth
from sparkcv.evaluate.history import HistoryRow
from sparkcv.evaluate.plots import Line, LineChart, line_chart
from sparkcv.evaluate.report import Block, Charts, Paragraph, Section

__all__ = ["training"]


def training(curves: Curves, history: Mapping[int, HistoryRow] | None = None) -> Section:
    """Show loss, learning rate and, where the run had an evaluator, the accuracy over the run's steps."""
    rows = [(history or {})[step] for step in sorted(history or {})]
    rows = [row for row in rows if row.data == rows[-1].data]  # others are of another split: no curve goes through both
    charts = [
        _curve("Loss", "loss", curves, lambda point: point.loss, smoothed=True),
        _accuracy(rows),
        _curve("Learning rate", "learning rate", curves, lambda point: point.learning_rate, smoothed=False),
    ]
    drawn = [chart for chart in charts if chart is not None]
    blocks: list[Block] = [Charts(drawn)] if drawn else [_no_curves()]
    if rows:
        best = max(rows, key=lambda row: row.accuracy)
        blocks.append(
            Paragraph(
                f"While it went on, the evaluator's newest accuracy was {percent(rows[-1].accuracy)} at step"
                f" {rows[-1].step:,}, the best {percent(best.accuracy)} at step {best.step:,}."
            )
        )
    if curves.restarts:
        times = "once" if len(curves.restarts) == 1 else f"{len(curves.restarts):,} times"
        steps = ", ".join(f"{step:,}" for step in curves.restarts[:10]) + (", …" if len(curves.restarts) > 10 else "")
        text = (
            f"The run went back to a checkpoint {times}, to go on from step {steps}: dashed in grey is what that undid."
        )
        blocks.append(Paragraph(text))
    if curves.num_unreadable:
        blocks.append(
            Paragraph(f"{count(curves.num_unreadable, 'line')} of metrics.jsonl could not be read.", "warning")
        )
    return Section("Training", blocks)


def _accuracy(rows: Sequence[HistoryRow]) -> LineChart | None:
    points = [(float(row.step), row.accuracy) for row in rows]
    line = Line("by the evaluator", points, "smooth")
    return line_chart("Accuracy while training", [line], x_label="step", y_label="accuracy", from_zero=True)


def _no_curves() -> Paragraph:
    return Paragraph(
        "No curves: the run's folder holds no metrics.jsonl with a logged step. "
        "--train_dir names the folder of the run where it is not that of the checkpoint."
    )


def _curve(
    title: str, unit: str, curves: Curves, pick: Callable[[Point], float | None], *, smoothed: bool
) -> LineChart | None:
    points = [(float(point.step), pick(point)) for point in curves.points]
    lines = [Line("as logged", points, "smooth")]
    if smoothed:
        undone = [
            Line("undone", [(float(point.step), pick(point)) for point in branch], "undone")
            for branch in curves.superseded
        ]
        means = zip((x for x, _ in points), smooth([y for _, y in points]), strict=True)
        lines = [*undone, Line("as logged", points, "raw"), Line("smoothed", list(means), "smooth")]
    marks = [(float(step), f"restart at step {step:,}") for step in curves.restarts]
    return line_chart(title, lines, x_label="step", y_label=unit, from_zero=True, marks=marks, mark_name="restart")
