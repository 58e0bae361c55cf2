"""What the evaluator of a run tells those who train: which checkpoint is the best, and for how long already.

``eval/selection.json`` is written by the one evaluator, before and after each evaluation, and read by the chief, which
spares the best checkpoint and the one that is being evaluated, and by all workers, which may end the run by it.
"""

from __future__ import annotations

import dataclasses

from sparkcv import storage
from sparkcv.errors import MissingFileError, StorageError

__all__ = ["Selection"]

_FILE = ("eval", "selection.json")


@dataclasses.dataclass(frozen=True)
class Selection:
    """The evaluator's newest word.

    Attributes:
        best_step: step of the checkpoint with the best accuracy; None before the first evaluation.
        best_accuracy: its accuracy, from 0 to 1.
        num_since_best: evaluations of later checkpoints, none of which was better.
        evaluating: step of the checkpoint that is being evaluated.
    """

    best_step: int | None = None
    best_accuracy: float | None = None
    num_since_best: int = 0
    evaluating: int | None = None

    @classmethod
    def read(cls, train_dir: str) -> Selection:
        """Read a run's selection, empty where nothing was evaluated yet; raise StorageError."""
        url = storage.join(train_dir, *_FILE)
        try:
            value = storage.read_json(url)
        except MissingFileError:
            return cls()
        try:
            found = cls(**value)
        except TypeError as err:
            raise StorageError(f"{url!r} is no selection of checkpoints: {err}") from err
        steps = (found.best_step, found.evaluating)
        if type(found.num_since_best) is not int or any(type(step) not in (int, type(None)) for step in steps):
            raise StorageError(f"{url!r} is no selection of checkpoints: got {value!r}")
        return found

    def write(self, train_dir: str) -> None:
        """Put it into the run's folder; raise StorageError."""
        storage.write_json(storage.join(train_dir, *_FILE), dataclasses.asdict(self))

    @property
    def spared(self) -> frozenset[int]:
        """Steps of the checkpoints that must not be deleted: the best, and the one that may become it."""
        return frozenset(step for step in (self.best_step, self.evaluating) if step is not None)

    def stop_reason(self, num_evaluations: int) -> str:
        """Return why training ends after ``num_evaluations`` in a row without a better accuracy; "" if it does not."""
        if self.best_step is None or self.num_since_best < num_evaluations:
            return ""
        return (
            f"stopped early: none of the {self.num_since_best} evaluations since step {self.best_step} was better than"
            f" its accuracy of {self.best_accuracy:.4f}"
        )
