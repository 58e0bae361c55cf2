"""One finished evaluation as data: what `eval-<step>.json` holds and what the report's page is drawn from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sparkcv.evaluate.metrics import Metrics
from sparkcv.evaluate.part import Mistake
from sparkcv.inputs.quarantine import RejectedRecord

SCHEMA = 1


@dataclass(frozen=True)
class Outcome:
    """All that an evaluation found.

    Attributes:
        run_name: last name of the run's folder, for people.
        model_name: the net.
        step: global step of the checkpoint, which evaluating never changes.
        checkpoint: URL of its prefix.
        uses_moving_averages: whether the weights' moving averages were evaluated instead of the weights.
        dataset_name: name in the shards' file names.
        split: name of the split.
        dataset_dir: URL of the shards' folder.
        num_records: records of the split, by its manifest, or estimated from its shards.
        is_estimated: whether num_records is an estimate.
        metrics: accuracy and the rest.
        mistakes: the worst, surest first.
        rejected: records that could not be evaluated, as far as they are listed.
        reasons: every reason and its count; they add up to num_rejected.
        num_evaluators: processes that shared the work.
        seconds: of wall time, from the start of the roles to the merge.
        image_size: side of the net's input in pixels.
        config: every flag and its value.
        versions: of Python, TensorFlow and the like.
    """

    run_name: str
    model_name: str
    step: int
    checkpoint: str
    uses_moving_averages: bool
    dataset_name: str
    split: str
    dataset_dir: str
    num_records: int
    is_estimated: bool
    metrics: Metrics
    mistakes: tuple[Mistake, ...]
    rejected: tuple[RejectedRecord, ...]
    reasons: Mapping[str, int]
    num_evaluators: int
    seconds: float
    image_size: int
    config: Mapping[str, Any]
    versions: Mapping[str, str]

    @property
    def num_rejected(self) -> int:
        """All records that could not be evaluated, also those that are not listed."""
        return sum(self.reasons.values())

    @property
    def num_evaluated(self) -> int:
        """Records that were looked at: examples and rejects."""
        return self.metrics.num_examples + self.num_rejected

    @property
    def is_partial(self) -> bool:
        """Whether only a part of the split was evaluated (``--max_num_batches``).

        Where the records are estimated nobody knows: then it is one if as many as were asked for were found.
        """
        most = self.config.get("max_num_batches")
        is_cut = most is not None and self.metrics.num_examples >= most * self.config["batch_size"]
        return self.num_evaluated < self.num_records or (self.is_estimated and is_cut)

    @property
    def all_records(self) -> str:
        """The number of the split's records, for people."""
        return f"about {self.num_records:,}" if self.is_estimated else f"{self.num_records:,}"

    def to_dict(self) -> dict[str, Any]:
        """Return the content of ``eval-<step>.json``; pictures are only in the page."""
        return {
            "schema": SCHEMA,
            "model_name": self.model_name,
            "step": self.step,
            "checkpoint": self.checkpoint,
            "moving_averages": self.uses_moving_averages,
            "dataset": {
                "name": self.dataset_name,
                "split": self.split,
                "dir": self.dataset_dir,
                "num_records": self.num_records,
                "is_estimated": self.is_estimated,
            },
            "is_partial": self.is_partial,
            **self.metrics.to_dict(),
            "num_rejected": self.num_rejected,
            "reject_reasons": dict(self.reasons),
            "rejected": [reject.to_dict() for reject in self.rejected],
            "worst_mistakes": [
                {name: value for name, value in vars(mistake).items() if name != "thumbnail"}
                for mistake in self.mistakes
            ],
            "num_evaluators": self.num_evaluators,
            "seconds": round(self.seconds, 3),
            "image_size": self.image_size,
            "config": dict(self.config),
            "versions": dict(self.versions),
        }
