"""What a scoring run did, as a table for people and as JSON beside the day's output."""

import dataclasses
from typing import Any

from sparkcv import logs

_MOST_REASONS = 10


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
    """

    num_predictions: int
    rejects: dict[str, int]
    elapsed_s: float
    input: str
    model: str
    model_digest: str
    predictions_url: str
    rejects_url: str

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
        return self.num_rows / self.elapsed_s if self.elapsed_s > 0 else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON value."""
        return {**dataclasses.asdict(self), "num_rejects": self.num_rejects, "num_rows": self.num_rows}

    def __str__(self) -> str:
        rows = [
            ("rows scored", f"{self.num_rows}: {self.num_predictions} predictions, {self.num_rejects} rejects"),
            *(("reject", f"{count} x {logs.clean(reason)}") for reason, count in self._most_frequent()),
            ("speed", f"{self.images_per_s:.1f} images/s, {logs.duration(self.elapsed_s)} with the model's loading"),
            ("input", self.input),
            ("model", f"{self.model} (digest {self.model_digest[:16]})"),
            ("predictions", self.predictions_url),
            ("rejects", self.rejects_url),
        ]
        return "\n".join(f"{name:<12} {text}" for name, text in rows)

    def _most_frequent(self) -> list[tuple[str, int]]:
        ranked = sorted(self.rejects.items(), key=lambda item: (-item[1], item[0]))
        rest = ranked[_MOST_REASONS:]
        return ranked[:_MOST_REASONS] + ([(f"{len(rest)} other reasons", sum(n for _, n in rest))] if rest else [])
