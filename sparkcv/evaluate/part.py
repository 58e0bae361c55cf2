"""What one evaluator writes to storage for the driver: counts, worst mistakes and rejected records.

Results of any size go through storage and not through the control channel, whose frames are small. The driver
reads parts back as data it does not trust: a file that does not read as a part is an error that names the file.
"""

from __future__ import annotations

import base64
import binascii
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sparkcv import storage
from sparkcv.errors import DataError
from sparkcv.evaluate.metrics import Tally
from sparkcv.inputs.quarantine import RejectedRecord

SCHEMA = 1
MAX_LISTED = 200
"""Rejects that a part lists; all of them are counted."""


@dataclass(frozen=True)
class Mistake:
    """A wrong answer worth looking at.

    Attributes:
        true: class index of the label, after labels_offset.
        predicted: class index of the answer.
        score: probability of ``predicted`` in [0, 1].
        true_score: probability of ``true`` in [0, 1].
        where: the picture's own file name, or the shard and offset it came from.
        thumbnail: a small JPEG; empty when the picture could not be drawn.
    """

    true: int
    predicted: int
    score: float
    true_score: float
    where: str
    thumbnail: bytes = b""

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON-able form; thumbnails in base64."""
        return {**vars(self), "thumbnail": base64.b64encode(self.thumbnail).decode("ascii")}


@dataclass
class EvaluatedPart:
    """The results of one evaluator over its assigned records at one step."""

    step: int
    tally: Tally
    mistakes: list[Mistake] = field(default_factory=list)
    rejected: list[RejectedRecord] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def num_rejected(self) -> int:
        """All records that were lost, also those that are not listed."""
        return self.reasons.total()

    def reject(self, rejects: Iterable[RejectedRecord]) -> None:
        """Count the records that ``rejects`` cost, and list them while there is room."""
        for reject in rejects:
            self.reasons[reject.reason] += reject.num_records
            if len(self.rejected) < MAX_LISTED:
                self.rejected.append(reject)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON-able form; thumbnails in base64."""
        return {
            "schema": SCHEMA,
            "step": self.step,
            "tally": self.tally.to_dict(),
            "mistakes": [mistake.to_dict() for mistake in self.mistakes],
            "rejected": [vars(reject) for reject in self.rejected],
            "reasons": dict(self.reasons),
            "seconds": self.seconds,
            "versions": self.versions,
        }

    @classmethod
    def from_dict(cls, form: Any, where: str) -> EvaluatedPart:
        """Return the part that `to_dict` wrote; raise DataError that names ``where`` if it is not one."""
        try:
            if form["schema"] != SCHEMA:
                raise DataError(f"schema {form['schema']!r}, wanted {SCHEMA}")
            return cls(
                step=int(form["step"]),
                tally=Tally.from_dict(form["tally"]),
                mistakes=[_mistake(entry) for entry in form["mistakes"]],
                rejected=[_reject(entry) for entry in form["rejected"]],
                reasons=Counter({str(reason): int(count) for reason, count in form["reasons"].items()}),
                seconds=float(form["seconds"]),
                versions={str(name): str(text) for name, text in form["versions"].items()},
            )
        except (AttributeError, KeyError, TypeError, ValueError) as err:
            raise DataError(f"{where} does not read as an evaluator's results ({err!r})") from err


def _mistake(entry: Mapping[str, Any]) -> Mistake:
    try:
        thumbnail = base64.b64decode(entry["thumbnail"], validate=True)
    except binascii.Error as err:
        raise DataError(f"a thumbnail is not base64 ({err})") from err
    return Mistake(
        int(entry["true"]),
        int(entry["predicted"]),
        float(entry["score"]),
        float(entry["true_score"]),
        str(entry["where"]),
        thumbnail,
    )


def _reject(entry: Mapping[str, Any]) -> RejectedRecord:
    return RejectedRecord(str(entry["url"]), int(entry["offset"]), str(entry["reason"]), int(entry["num_records"]))


def worst(mistakes: Iterable[Mistake], limit: int) -> list[Mistake]:
    """Return the ``limit`` most confident mistakes, most confident first; equal ones by file name."""
    return sorted(mistakes, key=lambda mistake: (-mistake.score, mistake.where))[:limit]


def write(url: str, part: EvaluatedPart) -> None:
    """Write ``part`` to the storage URL ``url``. Raise StorageError."""
    storage.write_json(url, part.to_dict())


def read(url: str) -> EvaluatedPart:
    """Read the part at ``url``; raise StorageError or DataError."""
    return EvaluatedPart.from_dict(storage.read_json(url), url)
