"""The page of an evaluation of captions: its numbers, and pictures with what the net and people told of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import sparkcv
from sparkcv import storage
from sparkcv.caption.told_captions import ToldPicture
from sparkcv.driver.versions import versions
from sparkcv.errors import StorageError
from sparkcv.evaluate import curves
from sparkcv.evaluate.counts import percent
from sparkcv.evaluate.report import Cell, Code, Fact, Figure, Fold, Gallery, Paragraph, ReportPage, Section, Table
from sparkcv.evaluate.training_section import training

if TYPE_CHECKING:
    from sparkcv.driver.evaluate_captions import EvaluatedCaptions

__all__ = ["page"]

_MOST_REASONS = 100


def page(done: EvaluatedCaptions) -> ReportPage:
    """Return the report."""
    scores, dataset, checkpoint = done.scores, done.plan.dataset, done.plan.task.net.checkpoint
    return ReportPage(
        title=f"Captions of {dataset.name}/{dataset.split}",
        subtitle=f"{done.plan.task.net.model_name} · {checkpoint}",
        facts=[
            Fact("BLEU-4", f"{scores.bleu[3]:.3f}", "of the best captions together"),
            Fact("perplexity", f"{scores.perplexity:.2f}", "of a word that people wrote"),
            Fact("distinct captions", percent(scores.distinct), "of the best captions"),
            Fact("repeated words", percent(scores.repeated_words), "a word or a pair of words told twice in a row"),
            Fact("pictures", f"{scores.num_pictures:,}", f"with {scores.num_references:,} captions"),
        ],
        sections=[_scores(done), _samples(done), training(_curves(checkpoint)), _rejects(done), _about(done)],
        footer=f"Written by sparkcv {sparkcv.__version__}. This page is one file, runs no script and needs no network.",
    )


def _scores(done: EvaluatedCaptions) -> Section:
    rows = [[name, text] for name, text in done.scores.rows()]
    return Section(
        "Scores", [Table("By sacrebleu, CIDEr-D by pycocoevalcap, of words as the shards have them", ["", ""], rows)]
    )


def _samples(done: EvaluatedCaptions) -> Section:
    shown = [_figure(picture) for picture in done.told if picture.thumbnail]
    if not shown:
        return Section("Pictures", [Paragraph("None were asked for.")])
    return Section(
        "Pictures",
        [Gallery(shown[: done.plan.config.num_samples], is_wrapped=True)],
        "Evenly over the split: what the net told, with its probability, and what people did.",
    )


def _figure(picture: ToldPicture) -> Figure:
    told = [(f"{number}", f"{text} ({p:.3g})") for number, (text, p) in enumerate(picture.captions)]
    people = [("people", text) for text in picture.references[:2]]
    return Figure(picture.thumbnail, f"picture {picture.name}", picture.best, [*told, *people, ("file", picture.name)])


def _curves(checkpoint: str) -> curves.Curves:
    try:
        return curves.read(storage.parent(checkpoint))
    except StorageError:  # a checkpoint of another program, whose folder tells no curves
        return curves.Curves()


def _rejects(done: EvaluatedCaptions) -> Section:
    if not done.rejects:
        return Section("Rejected records", [Paragraph("None: every record of the split could be read.")])
    rows: list[list[Cell]] = [[reason, count] for reason, count in list(done.rejects.items())[:_MOST_REASONS]]
    return Section("Rejected records", [Table("By reason", ["reason", "records"], rows)])


def _about(done: EvaluatedCaptions) -> Section:
    dataset = done.plan.dataset
    facts = [
        ["checkpoint", done.plan.task.net.checkpoint],
        ["dataset", f"{dataset.dir} ({dataset.name}, {dataset.split})"],
        ["time", f"{done.elapsed_s:,.1f} s"],
    ]
    config = json.dumps(done.to_dict()["config"], indent=2, sort_keys=True, ensure_ascii=False)
    return Section(
        "About this evaluation",
        [
            Table("What was evaluated", ["what", "value"], facts),
            Fold(
                "Versions",
                [Table("Versions", ["part", "version"], [[name, text] for name, text in sorted(versions().items())])],
            ),
            Fold("Configuration", [Code(config)]),
        ],
    )
