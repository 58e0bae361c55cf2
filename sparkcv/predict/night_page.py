"""The page of one night, ``_report.html``: what was scored, what was not, and what differs from the nights before."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from sparkcv.evaluate import sections
from sparkcv.evaluate.counts import count, percent
from sparkcv.evaluate.metrics import Metrics
from sparkcv.evaluate.report import (
    Bar,
    Block,
    Cell,
    Fact,
    Figure,
    Fold,
    Gallery,
    Paragraph,
    ReportPage,
    Section,
    Table,
)
from sparkcv.predict.drift import FORMULA, Drift
from sparkcv.predict.night import BINS, NightFacts, ScoreSample
from sparkcv.predict.report import ScoreReport

__all__ = ["Night", "page"]

_MOST_ROWS = 50
_MOST_GALLERIES = 100


@dataclasses.dataclass(frozen=True)
class Night:
    """What a night's page shows.

    Attributes:
        date: the day, ``YYYY-MM-DD``.
        report: what the run did.
        facts: what its rows say together.
        drift: against the nights before; None if there are none.
        metrics: against what pictures are known to show; None if nothing is known.
        thumbnails: small JPEGs by the id of the picture.
        failure: why the night is not published; "" if it is.
    """

    date: str
    report: ScoreReport
    facts: NightFacts
    drift: Drift | None = None
    metrics: Metrics | None = None
    thumbnails: Mapping[str, bytes] = dataclasses.field(default_factory=dict)
    failure: str = ""


def page(night: Night) -> ReportPage:
    """Return the page of a night."""
    truth = [_truth(night)] if night.metrics or night.facts.num_unknown else []
    failed = [Section("Not published", [Paragraph(night.failure, "warning")])] if night.failure else []
    scored = [_labels(night), *truth, _scores(night)] if night.report.num_predictions else []
    pictures = count(night.report.num_rows, "picture")
    return ReportPage(
        title=f"{night.date}: {pictures} by {night.report.run.get('model_name', 'a model')}",
        subtitle=f"{night.report.input} · model {night.report.model_digest[:16]}",
        facts=_headline(night),
        sections=[
            *failed,
            *scored,
            _rejects(night),
            *([_samples(night)] if night.report.num_predictions else []),
            _work(night),
            _about(night),
        ],
        footer="Written by sparkcv. This page is one file, runs no script and needs no network.",
    )


def _headline(night: Night) -> list[Fact]:
    report, drift = night.report, night.drift
    share = report.num_rejects / report.num_rows if report.num_rows else 0.0
    facts = [
        Fact("predictions", f"{report.num_predictions:,}"),
        Fact("rejects", f"{report.num_rejects:,}", f"{100 * share:.3g} %"),
        Fact("images a second", f"{report.images_per_s:.1f}", "all tasks together"),
    ]
    if report.marks.get("damaged"):
        facts.append(Fact("damaged", f"{report.marks['damaged']:,}", "predictions of JPEGs that lost pixels"))
    if drift is not None:
        facts.append(Fact("drift of labels", f"{drift.psi:.3f}", "PSI, against the nights before"))
    if night.metrics is not None:
        facts.append(Fact("accuracy", percent(night.metrics.accuracy), f"of {night.metrics.num_examples:,} known"))
    if report.num_earlier:
        facts.append(Fact("scored before", f"{report.num_earlier:,}", "by earlier runs of this day"))
    return facts


def _labels(night: Night) -> Section:
    drift, labels = night.drift, night.facts.labels
    shares = _shares(labels)
    blocks: list[Block] = []
    if drift is None:
        blocks.append(Paragraph("There is no night before this one to compare with."))
        headers = ["label", "pictures", "share"]
        order = sorted(labels, key=lambda name: (-labels[name], name))
        rows: list[list[Cell]] = [[name, labels[name], _bar(shares, name, max(shares.values()))] for name in order]
    else:
        nights = count(drift.num_nights, "night")
        blocks.append(
            Paragraph(
                f"{FORMULA} = {drift.psi:.4f}, with p the share of a label tonight and q in the {nights} before, half a"
                f" picture added to each count. By chance it is about {drift.by_chance:.4f}, (labels - 1)(1/n + 1/m)."
                " Below 0.1 is commonly called stable, above 0.25 changed.",
                "warning" if drift.is_large else "plain",
            )
        )
        before = _shares(drift.before)
        most = max(*shares.values(), *before.values())
        headers = ["label", "pictures", "share", "share before", "part of the PSI"]
        order = sorted(drift.parts, key=lambda name: (-drift.parts[name], name))
        rows = [
            [
                name,
                labels.get(name, 0),
                _bar(shares, name, most),
                _bar(before, name, most),
                f"{drift.parts[name]:.4f}",
            ]
            for name in order
        ]
    caption = "Most frequent first" if drift is None else "Largest part of the drift first"
    return Section("Labels", [*blocks, *_tables(caption, headers, rows, "label")])


def _truth(night: Night) -> Section:
    unknown = night.facts.num_unknown
    blocks: list[Block] = []
    if unknown:
        text = f"{count(unknown, 'picture')} of a label that the model does not have: not counted here."
        blocks.append(Paragraph(text, "warning"))
    metrics = night.metrics
    if metrics is None:
        return Section("Against what is known", [*blocks, Paragraph("No picture has a label of the model.")])
    blocks.append(
        Paragraph(
            f"Accuracy {percent(metrics.accuracy)}, label among the {metrics.k} best {percent(metrics.recall_at_k)},"
            f" mean recall of the classes {percent(metrics.mean_recall)}: of {count(metrics.num_examples, 'picture')}"
            " with a prediction; rejects are not counted."
        )
    )
    for section in (sections.confusion(metrics), sections.classes(metrics)):
        blocks += [Paragraph(section.intro), *section.blocks]
    return Section("Against what is known", blocks)


def _scores(night: Night) -> Section:
    total = sum(night.facts.scores) or 1
    most = max(night.facts.scores, default=0) or 1
    rows: list[list[Cell]] = [
        [f"{at / BINS:.2f} to {(at + 1) / BINS:.2f}", number, Bar(percent(number / total), number / most)]
        for at, number in enumerate(night.facts.scores)
    ]
    return Section(
        "Scores",
        [Table("Predictions by the score of their label", ["score", "pictures", "share"], rows)],
        "A model that is less sure than on other nights sees something new.",
    )


def _rejects(night: Night) -> Section:
    report = night.report
    if not report.num_rejects:
        return Section("Rejects", [Paragraph("None: every picture has a prediction.")])
    ranked = sorted((report.reasons or report.rejects).items(), key=lambda item: (-item[1], item[0]))
    blocks = _tables("By reason", ["reason", "pictures"], [[name, number] for name, number in ranked], "reason")
    return Section("Rejects", [*blocks, *_galleries(night, night.facts.rejects)], "A few of each reason are shown.")


def _work(night: Night) -> Section:
    facts = night.facts
    executors: list[list[Cell]] = [
        [one.name, one.num_rows, f"{one.seconds:.1f}", f"{one.num_rows / one.seconds:.1f}" if one.seconds else "–"]
        for one in facts.executors
    ]
    slow: list[list[Cell]] = [[name, f"{ms:.0f}"] for name, ms in facts.slowest]
    headers = ["host and process", "pictures", "seconds", "images/s"]
    blocks = _tables("Executors, the slowest first", headers, executors, "executor")
    if slow:
        blocks.append(Table("Slowest to read, one a task at most", ["picture", "milliseconds"], slow))
    blocks += [Paragraph(event, "warning") for event in night.report.events]
    return Section("Work", blocks, "Seconds count from the end of an executor's first batch to that of its last.")


def _samples(night: Night) -> Section:
    galleries = _galleries(night, night.facts.samples)
    if not galleries:
        return Section("Samples", [Paragraph("No pictures were asked for, or none could be drawn.")])
    return Section("Samples", galleries, "A few pictures of each label, with their scores.")


def _about(night: Night) -> Section:
    report = night.report
    rows: list[list[Cell]] = [["input", report.input], ["model", report.model], ["digest", report.model_digest]]
    rows += [[name, str(value)] for name, value in report.run.items()]
    if report.left_out.count:
        rows.append(["left out of the input", str(report.left_out)])
    return Section("About this run", [Table("What was run", ["what", "value"], rows)])


def _galleries(night: Night, samples: Mapping[str, Sequence[ScoreSample]]) -> list[Block]:
    """Return a titled gallery a label or reason, of those of which there is a picture."""
    blocks: list[Block] = []
    for name in sorted(samples)[:_MOST_GALLERIES]:
        drawn = [one for one in samples[name] if night.thumbnails.get(one.id)]
        figures = [
            Figure(night.thumbnails[one.id], alt=f"a picture of {name}", title=one.about, lines=[("id", one.id)])
            for one in drawn
        ]
        missing: list[list[Cell]] = [[one.id, one.about] for one in samples[name] if one not in drawn]
        if figures:
            blocks += [Paragraph(name), Gallery(figures)]
        elif samples is night.facts.rejects:
            blocks.append(Table(name, ["picture", "reason"], missing))
    return blocks


def _tables(caption: str, headers: list[str], rows: list[list[Cell]], what: str) -> list[Block]:
    blocks: list[Block] = [Table(caption, headers, rows[:_MOST_ROWS])]
    if rest := rows[_MOST_ROWS:]:
        blocks.append(Fold(f"The other {count(len(rest), what)}", [Table(caption, headers, rest)]))
    return blocks


def _shares(counts: Mapping[str, int]) -> dict[str, float]:
    total = sum(counts.values()) or 1
    return {name: number / total for name, number in counts.items()}


def _bar(shares: Mapping[str, float], name: str, most: float) -> Bar:
    """Return a cell whose bar is full for the share ``most``: with many labels all would be short."""
    share = shares.get(name, 0.0)
    return Bar(percent(share), share / most if most else 0.0)
