"""What the process is asked that looks at pictures by a trained classifier, as a line of JSON; without TensorFlow."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

__all__ = ["JudgeTask"]


@dataclasses.dataclass(frozen=True)
class JudgeTask:
    """A classifier's checkpoint, picture files of this machine, and the ``.npz`` to write what it sees to.

    With 0 for ``num_classes`` only its features are wanted.
    """

    checkpoint: str
    model_name: str
    num_classes: int
    preprocessing_name: str | None
    image_size: int | None
    pictures: tuple[str, ...]
    output: str

    def to_json(self) -> str:
        """Return it as one line."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, line: str) -> JudgeTask:
        """Read what :meth:`to_json` gave."""
        value: dict[str, Any] = json.loads(line)
        return cls(**{**value, "pictures": tuple(value["pictures"])})
