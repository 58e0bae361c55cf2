"""The sections of an evaluation's report, and what each shows when there is no data for it.

`page` is the whole report of ``eval_image_classifier``; a job that evaluates among other things takes the sections
it wants and adds its own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from sparkcv.evaluate.counts import count, percent
from sparkcv.evaluate.curves import Curves
from sparkcv.evaluate.history import HistoryRow
from sparkcv.evaluate.metrics import ClassMetrics, Metrics
from sparkcv.evaluate.outcome import Outcome
from sparkcv.evaluate.plots import heat_map
from sparkcv.evaluate.report import (
    Bar,
    Block,
    Code,
    Fact,
    Figure,
    Fold,
    Gallery,
    Heat,
    Paragraph,
    ReportPage,
    Section,
    SideBySide,
    Table,
)
from sparkcv.evaluate.training_section import training

MAX_HEAT_CLASSES = 50
"""A heat map of more classes cannot be read; the most confused pairs can."""

MAX_OPEN_CLASSES = 50
"""Rows of the per-class table that are open; with more classes the worst ones are, the rest is folded."""

NUM_PAIRS = 10
MAX_REJECTED = 100


def page(outcome: Outcome, curves: Curves, history: Mapping[int, HistoryRow] | None = None) -> ReportPage:
    """Return the report of one evaluation.

    ``curves`` are those of its training run, empty if unknown, and ``history`` is what the run's evaluator found.
    """
    return ReportPage(
        title=f"{outcome.run_name}: {outcome.model_name} on {outcome.dataset_name}/{outcome.split}",
        subtitle=f"checkpoint of step {outcome.step:,}"
        + (" · moving averages of the weights" if outcome.uses_moving_averages else "")
        + f" · {outcome.image_size} px · {outcome.checkpoint}",
        facts=headline(outcome),
        sections=[
            training(curves, history or {}),
            confusion(outcome.metrics),
            classes(outcome.metrics),
            mistakes(outcome),
            rejects(outcome),
            about(outcome),
        ],
        footer=f"Written by sparkcv {outcome.versions.get('sparkcv', '')}. "
        "This page is one file, runs no script and needs no network.",
    )


def headline(outcome: Outcome) -> list[Fact]:
    """Return the most important numbers."""
    metrics = outcome.metrics
    seen = f"{outcome.num_evaluated:,} of {outcome.all_records} records" if outcome.is_partial else "the whole split"
    few = len(metrics.classes) <= metrics.k
    return [
        Fact("accuracy", percent(metrics.accuracy), f"chance is about {percent(1 / len(metrics.classes))}"),
        Fact(
            f"recall@{metrics.k}",
            percent(metrics.recall_at_k),
            f"always 100 % with {len(metrics.classes)} classes" if few else f"label among the {metrics.k} best scores",
        ),
        Fact("mean recall of the classes", percent(metrics.mean_recall)),
        Fact("examples", f"{metrics.num_examples:,}", seen),
        Fact("rejected", f"{outcome.num_rejected:,}", "records that could not be read"),
        Fact("step", f"{outcome.step:,}"),
    ]


def confusion(metrics: Metrics) -> Section:
    """Show a heat map of true and predicted classes, if they are few enough, and the most confused pairs."""
    names = [each.name for each in metrics.classes]
    parts: list[Block] = []
    if len(names) <= MAX_HEAT_CLASSES:
        heat = heat_map(
            "Rows are true classes, columns what they were taken for; colour is the share of the row.",
            names,
            metrics.confusion,
            row_title="true ↓",
            column_title="predicted →",
        )
        parts.append(Heat(heat))
        intro = "Blue is right, red is wrong."
    else:
        intro = f"{len(names):,} classes are too many for a picture: these are the pairs confused most often."
    pairs = metrics.most_confused(NUM_PAIRS if len(names) <= MAX_HEAT_CLASSES else 3 * NUM_PAIRS)
    parts.append(
        Table(
            "Pairs confused most often, with their share of the true class",
            ["true class", "taken for", "times", "share"],
            [[true.name, guess.name, n, percent(n / true.support)] for true, guess, n in pairs],
        )
        if pairs
        else Paragraph("No class was taken for another.")
    )
    # A small heat map leaves room for the pairs at its side.
    blocks: list[Block] = [SideBySide(parts)] if len(names) <= 12 else parts
    if metrics.num_not_finite:
        blocks.append(
            Paragraph(
                f"{count(metrics.num_not_finite, 'example')} got scores that are not finite numbers; each counts as a "
                "wrong answer and stands in its row's total only.",
                "warning",
            )
        )
    return Section("Confusion", blocks, intro)


def classes(metrics: Metrics) -> Section:
    """Show precision and recall of each class, the lowest recall first."""
    ordered = sorted(metrics.classes, key=lambda each: (each.recall is None, each.recall or 0.0, each.index))
    caption = "Lowest recall first"
    blocks: list[Block] = [_class_table(caption, ordered[:MAX_OPEN_CLASSES])]
    rest = ordered[MAX_OPEN_CLASSES:]
    if rest:
        blocks.append(Fold(f"The other {count(len(rest), 'class', 'classes')}", [_class_table(caption, rest)]))
    return Section(
        "Classes",
        blocks,
        "Recall: of those that are, the share that was found. Precision: of those called so, the share that is.",
    )


def _class_table(caption: str, rows: list[ClassMetrics]) -> Table:
    return Table(
        caption,
        ["class", "recall", "precision", "examples", "called so"],
        [
            [
                each.name,
                Bar(percent(each.recall), each.recall),
                Bar(percent(each.precision), each.precision),
                each.support,
                each.num_predicted,
            ]
            for each in rows
        ],
    )


def mistakes(outcome: Outcome) -> Section:
    """Show the most confident wrong answers as pictures."""
    names = [each.name for each in outcome.metrics.classes]
    pictures = [
        Figure(
            data=mistake.thumbnail,
            alt=f"a picture of {names[mistake.true]} that was taken for {names[mistake.predicted]}",
            title=f"{names[mistake.predicted]} {percent(mistake.score)}",
            lines=[
                ("true", f"{names[mistake.true]} {percent(mistake.true_score)}"),
                ("file", mistake.where),
            ],
        )
        for mistake in outcome.mistakes
    ]
    if not pictures:
        metrics = outcome.metrics
        num_answers = metrics.num_examples - metrics.num_not_finite
        are_none = sum(each.num_correct for each in metrics.classes) == num_answers
        return Section("Worst mistakes", [Paragraph("There are none." if are_none else "None were asked for.")])
    return Section(
        "Worst mistakes",
        [Gallery(pictures)],
        "The wrong answers that the net was surest of: the answer with its score, then the true class with its own.",
    )


def rejects(outcome: Outcome) -> Section:
    """Show the records that could not be evaluated, counted by reason, then listed."""
    if not outcome.num_rejected:
        of = "that was looked at" if outcome.is_partial else "of the split"
        return Section("Rejected records", [Paragraph(f"None: every record {of} could be read.")])
    by_reason = sorted(outcome.reasons.items(), key=lambda item: (-item[1], item[0]))
    listed = outcome.rejected[:MAX_REJECTED]
    return Section(
        "Rejected records",
        [
            Table(
                "By reason",
                ["reason", "records"],
                [[reason, count] for reason, count in by_reason[:MAX_REJECTED]],
            ),
            Fold(
                f"Where they are{'' if len(listed) == len(outcome.rejected) else f' (the first {len(listed)})'}",
                [
                    Table(
                        "Rejected records",
                        ["shard", "offset in bytes", "records", "reason"],
                        [[reject.url, reject.offset, reject.num_records, reject.reason] for reject in listed],
                    )
                ],
            ),
        ],
        "A record that cannot be read costs that record: it is in none of the numbers above.",
    )


def about(outcome: Outcome) -> Section:
    """Show where the numbers come from."""
    facts: list[list[str | int | float | Bar]] = [
        ["checkpoint", outcome.checkpoint],
        ["dataset", f"{outcome.dataset_dir} ({outcome.dataset_name}, {outcome.split})"],
        ["records", f"{outcome.num_records:,}" + (" (estimated, no manifest)" if outcome.is_estimated else "")],
        ["loss", "–" if outcome.metrics.loss is None else f"{outcome.metrics.loss:.4f} (cross entropy)"],
        ["evaluators", str(outcome.num_evaluators)],
        ["time", f"{outcome.seconds:,.1f} s"],
    ]
    versions: list[list[str | int | float | Bar]] = [[name, text] for name, text in sorted(outcome.versions.items())]
    return Section(
        "About this evaluation",
        [
            Table("What was evaluated", ["what", "value"], facts),
            Fold("Versions", [Table("Versions", ["part", "version"], versions)]),
            Fold(
                "Configuration", [Code(json.dumps(dict(outcome.config), indent=2, sort_keys=True, ensure_ascii=False))]
            ),
        ],
    )
