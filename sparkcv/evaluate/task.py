"""The task that the driver gives to its evaluators, as JSON-able data that both sides read.

It stands apart from the evaluators' program because that imports TensorFlow, which the driver never does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sparkcv import config as configs
from sparkcv.config import EvalConfig
from sparkcv.records.shards import Dataset
from sparkcv.rundir import checkpoint


@dataclass(frozen=True)
class Task:
    """What the driver asks of the evaluators; the same for each.

    Attributes:
        config: the flags, with full URLs.
        dataset: the split.
        found: the checkpoint, checked by the driver.
        image_size: side of the net's input in pixels.
        num_evaluators: how many share the records.
        parts_url: the folder that each writes its part to.
        max_examples: examples that one evaluator counts at most; None: all of its batches. Only within one process.
    """

    config: EvalConfig
    dataset: Dataset
    found: checkpoint.Found
    image_size: int
    num_evaluators: int
    parts_url: str
    max_examples: int | None = None

    @property
    def num_classes(self) -> int:
        """Classes of the net: those of labels.txt less the offset."""
        return self.dataset.num_classes - self.config.labels_offset

    def to_params(self) -> dict[str, Any]:
        """Return the JSON-able form, for `NodeContext.params`."""
        return {
            "config": configs.to_dict(self.config),
            "dataset": self.dataset.to_dict(),
            "checkpoint": {
                "step": self.found.step,
                "prefix_url": self.found.prefix_url,
                "manifest": dict(self.found.manifest),
                "names": list(self.found.names),
                "kind": self.found.kind,
            },
            "image_size": self.image_size,
            "num_evaluators": self.num_evaluators,
            "parts_url": self.parts_url,
        }

    @classmethod
    def from_params(cls, params: Mapping[str, Any]) -> Task:
        """Return the task that `to_params` wrote."""
        found = params["checkpoint"]
        return cls(
            config=configs.from_dict(EvalConfig, params["config"]),
            dataset=Dataset.from_dict(params["dataset"]),
            found=checkpoint.Found(**{**found, "names": tuple(found["names"])}),
            image_size=params["image_size"],
            num_evaluators=params["num_evaluators"],
            parts_url=params["parts_url"],
        )

    def max_batches(self, index: int) -> int | None:
        """Return how many batches evaluator ``index`` may take, None for all; together they are --max_num_batches."""
        total = self.config.max_num_batches
        if total is None:
            return None
        return total // self.num_evaluators + (index < total % self.num_evaluators)


def part_name(index: int) -> str:
    """Return the file name of evaluator ``index``'s part."""
    return f"evaluator-{index}.json"
