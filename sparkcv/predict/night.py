"""What the scored rows of a night say together: a few aggregations by Spark, whose results are small.

The driver gets counts and a few examples, whatever the number of pictures: of labels, of pieces, of reasons.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

__all__ = ["BINS", "Executor", "NightFacts", "ScoreSample", "look", "pieces_of"]

BINS = 20
"""Bins of the histogram of scores, equally wide from 0 to 1."""

_MOST_SLOW = 10
_MANY_CLASSES = 1000


@dataclasses.dataclass(frozen=True)
class ScoreSample:
    """A row to show: ``about`` is its score in words, or the reason of a reject; ``piece`` is None where not known."""

    id: str
    piece: int | None
    about: str


@dataclasses.dataclass(frozen=True)
class Executor:
    """Rows that one executor scored, and the seconds from its first batch's end to its last."""

    name: str
    num_rows: int
    seconds: float


@dataclasses.dataclass(frozen=True)
class NightFacts:
    """One run's rows together.

    Attributes:
        labels: predictions by label.
        scores: predictions by bin of their score, :data:`BINS` of them.
        executors: the slowest first.
        slowest: the rows that were slowest to read, one a piece at most: id and milliseconds.
        samples: a few predictions of each label.
        rejects: a few rejects of each reason's first words.
        confusion: pictures that are known to show a label, as (true, predicted) lines of labels.txt.
        num_in_top_k: how many of these have their label among the best.
        num_unknown: pictures whose label the model does not have.
    """

    labels: Mapping[str, int]
    scores: tuple[int, ...]
    executors: tuple[Executor, ...] = ()
    slowest: tuple[tuple[str, float], ...] = ()
    samples: Mapping[str, list[ScoreSample]] = dataclasses.field(default_factory=dict)
    rejects: Mapping[str, list[ScoreSample]] = dataclasses.field(default_factory=dict)
    confusion: Mapping[tuple[int, int], int] = dataclasses.field(default_factory=dict)
    num_in_top_k: int = 0
    num_unknown: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return what ``_report.json`` keeps of it: :meth:`add` reads it."""
        return {
            "labels": dict(self.labels),
            "scores": list(self.scores),
            "executors": [dataclasses.asdict(one) for one in self.executors],
            "slowest": [list(one) for one in self.slowest],
            "confusion": [[true, guess, n] for (true, guess), n in self.confusion.items()],
            "num_in_top_k": self.num_in_top_k,
            "num_unknown": self.num_unknown,
        }

    def add(self, report: Mapping[str, Any]) -> NightFacts:
        """Return it together with what an earlier run of the day counted, as its ``_report.json`` says."""
        scores = [int(n) for n in report.get("scores", [])] or [0] * BINS
        confusion = Counter(self.confusion)
        for true, guess, n in report.get("confusion", []):
            confusion[int(true), int(guess)] += int(n)
        return dataclasses.replace(
            self,
            labels=dict(Counter(self.labels) + Counter(report.get("labels", {}))),
            scores=tuple(mine + theirs for mine, theirs in zip(self.scores, scores, strict=False)),
            confusion=dict(confusion),
            num_in_top_k=self.num_in_top_k + int(report.get("num_in_top_k", 0)),
            num_unknown=self.num_unknown + int(report.get("num_unknown", 0)),
        )


def look(rows: DataFrame, *, num_classes: int, num_samples: int, is_labelled: bool) -> NightFacts:
    """Count scored rows, as tasks wrote them, and choose ``num_samples`` of each label and reason, evenly by id."""
    groups = rows.withColumns({"_head": F.substring_index("reason", ":", 1), "_bin": _bin()})
    labels: Counter[str] = Counter()
    scores = [0] * BINS
    for row in groups.where("reason IS NULL").groupBy("label", "_bin").count().collect():
        labels[row.label] += row["count"]
        scores[row._bin] += row["count"]
    most = num_samples if num_classes <= _MANY_CLASSES else min(num_samples, 1)
    samples, rejects = _samples(groups, most) if most else ({}, {})
    executors, slowest = _work(rows)
    facts = NightFacts(dict(labels), tuple(scores), executors, slowest, samples, rejects)
    return _with_truth(rows, facts) if is_labelled else facts


def _bin() -> Column:
    return F.least(F.floor(F.col("score") * BINS), F.lit(BINS - 1))


def _samples(groups: DataFrame, most: int) -> tuple[dict[str, list[ScoreSample]], dict[str, list[ScoreSample]]]:
    """Return rows of each label and of each reason, by the hash of their ids, the surest first."""
    # Spark limits each group before it shuffles, so that no more than these rows travel.
    order = Window.partitionBy("_head", "label").orderBy(F.col("_piece").isNull(), F.xxhash64("id"), "id")
    text = F.when(F.col("reason").isNull(), F.format_number("score", 3)).otherwise(F.col("reason"))
    chosen = groups.withColumn("_rank", F.row_number().over(order)).where(F.col("_rank") <= most)
    samples: dict[str, list[ScoreSample]] = {}
    rejects: dict[str, list[ScoreSample]] = {}
    found = chosen.select("id", "_piece", "_head", "label", "_rank", "score", text.alias("about")).collect()
    for row in sorted(found, key=lambda row: (-(row.score or 0.0), row._rank)):
        kind, name = (samples, row.label) if row._head is None else (rejects, row._head)
        kind.setdefault(name, []).append(ScoreSample(row.id, row._piece, row.about))
    return samples, rejects


def _work(rows: DataFrame) -> tuple[tuple[Executor, ...], tuple[tuple[str, float], ...]]:
    pieces = rows.groupBy("_executor", "_piece").agg(
        F.count("*").alias("n"),
        F.unix_micros(F.min("scored_at")).alias("first"),
        F.unix_micros(F.max("scored_at")).alias("last"),
        F.max_by(F.struct("id", "_read_ms"), "_read_ms").alias("slow"),
    )
    found: dict[str, list[Any]] = {}
    slow: list[tuple[str, float]] = []
    for row in pieces.collect():
        found.setdefault(row._executor or "?", []).append(row)
        if row.slow is not None:
            slow.append((row.slow.id, row.slow._read_ms))
    executors = [
        Executor(name, sum(r.n for r in of), (max(r.last for r in of) - min(r.first for r in of)) / 1e6)
        for name, of in found.items()
    ]
    executors.sort(key=lambda one: (one.num_rows / one.seconds if one.seconds else 0.0, one.name))
    return tuple(executors), tuple(sorted(slow, key=lambda one: (-one[1], one[0]))[:_MOST_SLOW])


def _with_truth(rows: DataFrame, facts: NightFacts) -> NightFacts:
    known = rows.where("reason IS NULL AND _true_id IS NOT NULL").groupBy("_true_id", "label_id")
    counts = known.agg(F.count("*").alias("n"), F.count_if("_in_top_k").alias("hits")).collect()
    return dataclasses.replace(
        facts,
        confusion={(row._true_id, row.label_id): row.n for row in counts if row._true_id >= 0},
        num_in_top_k=sum(row.hits for row in counts if row._true_id >= 0),
        num_unknown=sum(row.n for row in counts if row._true_id < 0),
    )


def pieces_of(samples: Iterable[list[ScoreSample]]) -> dict[int, list[str]]:
    """Return the ids of samples by the piece in which they are found again."""
    found: dict[int, list[str]] = {}
    for sample in (one for some in samples for one in some):
        if sample.piece is not None:
            found.setdefault(sample.piece, []).append(sample.id)
    return found
