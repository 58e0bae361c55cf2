"""What the process that makes pictures is asked, as a line of JSON; without TensorFlow."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from sparkcv.text2image.gan_spec import GanSpec

__all__ = ["PictureTask", "Row"]


@dataclasses.dataclass(frozen=True)
class Row:
    """One picture: a text, as ids or a vector, ``share`` of the way to ``other``, of the random numbers ``draw``."""

    text: tuple[float, ...]
    draw: int
    other: tuple[float, ...] = ()
    share: float = 0.0

    @classmethod
    def of(cls, value: dict[str, Any]) -> Row:
        """Return the row whose fields were JSON."""
        return cls(**{**value, "text": tuple(value["text"]), "other": tuple(value["other"])})


@dataclasses.dataclass(frozen=True)
class PictureTask:
    """A checkpoint, the sizes of its nets, the pictures that are wanted, and the folder for PNGs ``00000.png``..."""

    checkpoint: str
    spec: GanSpec
    rows: tuple[Row, ...]
    seed: int
    folder: str

    def to_json(self) -> str:
        """Return it as one line."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, line: str) -> PictureTask:
        """Read what :meth:`to_json` gave."""
        value: dict[str, Any] = json.loads(line)
        return cls(**{**value, "spec": GanSpec(**value["spec"]), "rows": tuple(map(Row.of, value["rows"]))})
