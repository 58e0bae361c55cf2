"""What the process that captions pictures is asked, and what it answers, as lines of JSON; without TensorFlow."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

__all__ = ["CaptionTask", "PictureCaptions"]


@dataclasses.dataclass(frozen=True)
class CaptionTask:
    """A checkpoint to load, the pictures' URLs, and how captions are searched; ``words`` is the vocabulary."""

    checkpoint: str
    pictures: tuple[str, ...]
    words: tuple[str, ...]
    model_name: str
    preprocessing_name: str | None
    image_size: int | None
    formats: str
    max_pixels: int
    beam_size: int
    max_words: int
    length_normalization: float
    batch_size: int

    def to_json(self) -> str:
        """Return it as one line."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, line: str) -> CaptionTask:
        """Read what :meth:`to_json` gave."""
        value: dict[str, Any] = json.loads(line)
        return cls(**{**value, "pictures": tuple(value["pictures"]), "words": tuple(value["words"])})


@dataclasses.dataclass(frozen=True)
class PictureCaptions:
    """The captions of one picture, best first, each with its probability; or why there are none."""

    name: str
    captions: tuple[tuple[str, float], ...] = ()
    reason: str = ""

    def __str__(self) -> str:
        if self.reason:
            return f"No captions for image {self.name}: {self.reason}"
        lines = [f"  {number}) {text} (p={p:f})" for number, (text, p) in enumerate(self.captions)]
        return "\n".join([f"Captions for image {self.name}:", *lines])
