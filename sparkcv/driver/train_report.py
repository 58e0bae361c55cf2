"""What a training run did, in the words that its job ends with."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from sparkcv import logs
from sparkcv.driver.progress import newest_evaluation
from sparkcv.rundir.checkpoint import Found

__all__ = ["TrainReport", "report_of"]


@dataclasses.dataclass(frozen=True)
class TrainReport:
    """What a run did, for who started it; its fields of text are words to show, or "" where there are none."""

    train_dir: str
    checkpoint: str
    step: int
    num_images: int
    elapsed_s: float
    num_rejected: int
    is_new: bool = True
    stopped_early: str = ""
    evaluation: str = ""
    export: str = ""
    data_change: str = ""
    warm_start: str = ""
    augment: str = ""

    @property
    def images_per_s(self) -> float:
        """Images a second of all workers together, over the time in which they trained."""
        return self.num_images / self.elapsed_s if self.elapsed_s > 0 else 0.0

    def __str__(self) -> str:
        exported = f"; {self.export}" if self.export else ""
        if not self.is_new:
            done = exported or "; nothing was done"
            why = f", {self.stopped_early}: a larger --early_stopping_evaluations goes on" if self.stopped_early else ""
            flag = "early_stopping_evaluations" if self.stopped_early else "max_number_of_steps"
            changed = f"; {self.data_change}: a larger --{flag} trains on it" if self.data_change else ""
            return f"already finished: step {self.step}, checkpoint {self.checkpoint}{why}{done}{changed}"
        augmented = f", augmented by {self.augment}" if self.augment else ""
        started = f"; it began from other weights: {self.warm_start}" if self.warm_start else ""
        evaluated = f"; {self.evaluation}" if self.evaluation else ""
        why = f"; {self.stopped_early}" if self.stopped_early else ""
        rejected = f", {self.num_rejected} bad records left out" if self.num_rejected else ""
        return (
            f"trained to step {self.step}: {self.num_images} images in {logs.duration(self.elapsed_s)}"
            f" ({self.images_per_s:.1f} images/s){augmented}{rejected}; checkpoint {self.checkpoint}, read back and"
            f" whole{started}{why}{evaluated}{exported}"
        )


def report_of(train_dir: str, found: Found, results: Mapping[str, Mapping[str, Any]], elapsed_s: float) -> TrainReport:
    """Return the report of a run that ended at the checkpoint ``found``, from what its roles returned."""
    workers = [result for role, result in results.items() if role.startswith("worker:")]
    seconds = max((result.get("seconds", 0.0) for result in workers), default=0.0)
    return TrainReport(
        train_dir=train_dir,
        checkpoint=found.prefix_url,
        step=found.step,
        num_images=sum(result.get("images", 0) for result in workers),
        elapsed_s=seconds if seconds > 0 and math.isfinite(seconds) else elapsed_s,
        num_rejected=sum(result.get("num_rejected", 0) for result in workers),
        stopped_early=str(results.get("worker:0", {}).get("stopped_early", "")),
        warm_start=str(results.get("worker:0", {}).get("warm_start", "")),
        evaluation=_evaluation_text(results.get("evaluator:0", {})),
    )


def _evaluation_text(result: Mapping[str, Any]) -> str:
    newest = newest_evaluation(result)
    if newest is None:
        return ""
    text = f"accuracy {newest['accuracy']:.4f} at step {newest['step']}"
    if result.get("best_accuracy") is None:  # the only ones were of other data, or of a checkpoint that was not kept
        return text
    return f"{text} (best {result['best_accuracy']:.4f} at step {result['best_step']})"
