"""What a scoring run did, as a table for people and as JSON beside the day's output."""

import dataclasses
from typing import Any

from sparkcv import logs
from sparkcv.predict.rows import LeftOut

SCHEMA = 1
_MOST_REASONS = 10
_MARKS = (
    ("damaged", "damaged", "predictions of JPEGs that lost pixels inside: column damaged"),
    ("has_more_frames", "first frame", "predictions of the first of several frames or pages: column has_more_frames"),
)


@dataclasses.dataclass(frozen=True)
class ScoreReport:
    """One published day.

    Attributes:
        num_predictions: input ids with a prediction.
        rejects: number of rejected ids by the head of their reason (what stands before its colon).
        elapsed_s: seconds of the scoring stage, loading the model included.
        input: what was scored.
        model: URL of the model.
        model_digest: its digest, which stands in every row.
        predictions_url: the folder of the day's predictions.
        rejects_url: the folder of the day's rejects.
        reasons: number of rejected ids by the sentence of their reason, ``#`` for names, bytes and numbers in it.
        marks: number of predictions of pictures that lost pixels inside (``damaged``), and of those whose file holds
            more pictures than the one scored (``has_more_frames``).
        run: what ran: ``run_id``, ``started``, ``ended`` (UTC), and the settings that rows depend on.
        engine: what ran the net: ``name``, ``precision``, ``why``, and what was measured of its agreement with fp32.
        left_out: how often each name was left out of the input, as no picture.
        events: what Spark lost and did again meanwhile, a sentence each.
        notes: what else is to be told of the day.
        num_earlier: ids of the day that earlier runs scored.
        page_url: the page for people, where this run wrote one.
    """

    num_predictions: int
    rejects: dict[str, int]
    elapsed_s: float
    input: str
    model: str
    model_digest: str
    predictions_url: str
    rejects_url: str
    reasons: dict[str, int] = dataclasses.field(default_factory=dict)
    marks: dict[str, int] = dataclasses.field(default_factory=dict)
    run: dict[str, Any] = dataclasses.field(default_factory=dict)
    engine: dict[str, Any] = dataclasses.field(default_factory=dict)
    left_out: LeftOut = dataclasses.field(default_factory=LeftOut)
    events: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    num_earlier: int = 0
    page_url: str = ""

    @property
    def num_rejects(self) -> int:
        """Input ids with a reason instead of a prediction."""
        return sum(self.rejects.values())

    @property
    def num_rows(self) -> int:
        """Ids of the input: each is a prediction or a reject."""
        return self.num_predictions + self.num_rejects

    @property
    def images_per_s(self) -> float:
        """Rows a second of the whole stage, all tasks together."""
        return (self.num_rows - self.num_earlier) / self.elapsed_s if self.elapsed_s > 0 else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON value: what ``_report.json`` holds."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self) if field.name != "run"}
        return {
            "schema": SCHEMA,
            **fields,
            **self.run,
            "left_out": {"count": self.left_out.count, "names": self.left_out.to_dict()},
            "num_rejects": self.num_rejects,
            "num_rows": self.num_rows,
        }

    def __str__(self) -> str:
        rows = [
            ("rows scored", f"{self.num_rows}: {self.num_predictions} predictions, {self.num_rejects} rejects"),
            *((head, f"{self.marks[name]} {words}") for name, head, words in _MARKS if self.marks.get(name)),
            *(("reject", f"{count} x {logs.clean(reason)}") for reason, count in self._most_frequent()),
            *([("left out", str(self.left_out))] if self.left_out.count else []),
            *([("earlier", f"{self.num_earlier} of them by runs before this one")] if self.num_earlier else []),
            *(("note", logs.clean(note)) for note in self.notes),
            *(("survived", logs.clean(event)) for event in self.events),
            ("speed", f"{self.images_per_s:.1f} images/s, {logs.duration(self.elapsed_s)} with the model's loading"),
            *([("engine", "{name} in {precision}: {why}".format(**self.engine))] if self.engine else []),
            ("input", self.input),
            ("model", f"{self.model} (digest {self.model_digest[:16]})"),
            ("predictions", self.predictions_url),
            ("rejects", self.rejects_url),
            *([("report", self.page_url)] if self.page_url else []),
        ]
        return "\n".join(f"{name:<12} {text}" for name, text in rows)

    def _most_frequent(self) -> list[tuple[str, int]]:
        ranked = sorted((self.reasons or self.rejects).items(), key=lambda item: (-item[1], item[0]))
        rest = ranked[_MOST_REASONS:]
        return ranked[:_MOST_REASONS] + ([(f"{len(rest)} other reasons", sum(n for _, n in rest))] if rest else [])
