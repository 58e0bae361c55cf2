"""The results of a run's evaluator at each checkpoint, and the best of them, in files that survive restarts.

``eval/metrics.jsonl`` has a line a checkpoint in order of step, ``best.json`` the checkpoint with the highest accuracy.
Both are written whole, by the one evaluator, so that a reader never sees half of one.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import time
from collections.abc import Mapping
from typing import Any

from sparkcv import logs, storage
from sparkcv.errors import CheckpointError, MissingFileError, StorageError
from sparkcv.evaluate.outcome import Outcome
from sparkcv.rundir import checkpoint
from sparkcv.rundir.checkpoint import Found
from sparkcv.rundir.selection import Selection

__all__ = ["BEST", "DIR", "FILE_NAME", "History", "HistoryRow", "METRIC", "identity", "read"]

DIR = "eval"
"""The folder in a train_dir that has the evaluator's event files, too."""

FILE_NAME = "metrics.jsonl"
BEST = "best.json"
METRIC = "accuracy"
SCHEMA = 1

_log = logs.get(__name__)


@dataclasses.dataclass(frozen=True)
class HistoryRow:
    """The numbers of one checkpoint; ``checkpoint`` distinguishes it from another one of the same step.

    ``data`` stands for what it was evaluated on, "" in files of older versions: other data, other accuracies.
    """

    step: int
    accuracy: float
    recall_5: float
    mean_recall: float
    loss: float | None
    num_examples: int
    num_rejected: int
    seconds: float
    checkpoint: str
    data: str = ""

    @classmethod
    def of(cls, outcome: Outcome, found: Found) -> HistoryRow:
        """Return the row of a finished evaluation of the checkpoint ``found``."""
        return cls(
            step=outcome.step,
            accuracy=outcome.metrics.accuracy,
            recall_5=outcome.metrics.recall_at_k,
            mean_recall=outcome.metrics.mean_recall,
            loss=outcome.metrics.loss,
            num_examples=outcome.metrics.num_examples,
            num_rejected=outcome.num_rejected,
            seconds=round(outcome.seconds, 3),
            checkpoint=identity(found),
        )


def identity(found: Found) -> str:
    """Return 16 hexadecimal digits over a checkpoint's files, which differ if it was saved again at the same step."""
    return _digits(found.manifest.get("files"))


def read(train_dir: str) -> dict[int, HistoryRow]:
    """Read the rows of a run by step, in order; empty if it was never evaluated. Raise StorageError.

    A line that does not read is left out: such numbers are a help, never a reason to fail.
    """
    url = storage.join(train_dir, DIR, FILE_NAME)
    try:
        lines = storage.read_bytes(url).decode("utf-8", "replace").splitlines()
    except MissingFileError:
        return {}
    rows = [row for row in map(_parsed, lines) if row is not None]
    return {row.step: row for row in sorted(rows, key=lambda row: row.step)}


class History:
    """The rows and the best of one run, kept in storage by its evaluator.

    ``of`` says what was evaluated, such as the split: an accuracy on other data is no better and no worse.
    """

    def __init__(self, train_dir: str, of: Mapping[str, Any]) -> None:
        self._train_dir, self._of = train_dir, dict(of)
        self._data = _digits(self._of)
        self.rows = read(train_dir)
        self.best = self._read_best()

    @property
    def newest(self) -> HistoryRow | None:
        """The row of the highest step on this data."""
        steps = self._steps()
        return self.rows[max(steps)] if steps else None

    def has(self, found: Found) -> bool:
        """Return whether exactly this checkpoint was evaluated on this data."""
        row = self.rows.get(found.step)
        return row is not None and row.checkpoint == identity(found) and self._is_own(row)

    @property
    def selection(self) -> Selection:
        """What those who train are told: the best, and how many later checkpoints were not better."""
        if self.best is None:
            return Selection()
        step = self.best["step"]
        return Selection(step, self.best["value"], sum(other > step for other in self._steps()))

    def add(self, row: HistoryRow, found: Found, *, is_kept: bool = True) -> None:
        """Keep a row, and its checkpoint as the best if it is and ``is_kept``; raise StorageError.

        A step that was saved anew is of a run that went back: what was evaluated from there on is of no checkpoint that
        there is.
        """
        former, rows, had = self.rows.get(row.step), self.rows, self.best
        if former is not None and former.checkpoint != row.checkpoint:
            rows = {step: one for step, one in rows.items() if step < row.step}
            if had is not None and had["step"] >= row.step:
                self.best = self._best_left(rows)
        self.rows = dict(sorted({**rows, row.step: dataclasses.replace(row, data=self._data)}.items()))
        text = "".join(json.dumps(dataclasses.asdict(one)) + "\n" for one in self.rows.values())
        storage.write_text(storage.join(self._train_dir, DIR, FILE_NAME), text)
        if is_kept and (self.best is None or row.accuracy > self.best["value"]):
            self.best = self._described(row, found)
        if self.best is not had:
            url = storage.join(self._train_dir, BEST)
            storage.write_json(url, self.best) if self.best else storage.delete(url)

    def _best_left(self, rows: Mapping[int, HistoryRow]) -> dict[str, Any] | None:
        """Return the best of the rows whose checkpoint is still there."""
        own = [row for row in rows.values() if self._is_own(row)]
        for row in sorted(own, key=lambda one: (-one.accuracy, one.step)):
            try:
                found = checkpoint.at_step(self._train_dir, row.step)
            except (CheckpointError, MissingFileError):
                continue
            if identity(found) == row.checkpoint:
                return self._described(row, found)
        return None

    def _described(self, row: HistoryRow, found: Found) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "step": row.step,
            "checkpoint": found.prefix_url,
            "identity": row.checkpoint,
            "metric": METRIC,
            "value": row.accuracy,
            "when": time.time(),
            "of": self._of,
        }

    def _steps(self) -> list[int]:
        return [step for step, row in self.rows.items() if self._is_own(row)]

    def _is_own(self, row: HistoryRow) -> bool:
        return row.data in ("", self._data)

    def _read_best(self) -> dict[str, Any] | None:
        """Return the best until now if it is of the same data; one that does not parse is replaced."""
        url = storage.join(self._train_dir, BEST)
        try:
            best = storage.read_json(url) if storage.exists(url) else None
        except StorageError as err:
            _log.warning("%s does not read and is replaced: %s", url, err)
            return None
        if not isinstance(best, dict) or best.get("metric") != METRIC or best.get("of") != self._of:
            return None
        is_one = _number(best.get("value")) is not None and type(best.get("step")) is int
        return best if is_one else None


def _digits(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def _parsed(line: str) -> HistoryRow | None:
    try:
        value = json.loads(line)
        row = HistoryRow(**value)
    except (ValueError, TypeError, RecursionError):
        return None
    usable = type(row.step) is int and row.step >= 0 and _number(row.accuracy) is not None
    return row if usable else None


def _number(value: Any) -> float | None:
    is_one = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if is_one else None
