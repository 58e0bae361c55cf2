"""What the process that captions pictures is asked, and what it answers, as lines of JSON; without TensorFlow."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

__all__ = ["CaptionNet", "CaptionSearch", "CaptionTask", "EvaluationTask", "PictureCaptions"]


@dataclasses.dataclass(frozen=True)
class CaptionNet:
    """A net to load: the prefix of its checkpoint, its vocabulary, and the encoder; None is the encoder's own."""

    checkpoint: str
    words: tuple[str, ...]
    model_name: str
    preprocessing_name: str | None = None
    image_size: int | None = None


@dataclasses.dataclass(frozen=True)
class CaptionSearch:
    """How captions are searched, as the flags of those names say."""

    beam_size: int = 3
    max_words: int = 20
    length_normalization: float = 0.0


@dataclasses.dataclass(frozen=True)
class CaptionTask:
    """Pictures to caption, by their URLs."""

    net: CaptionNet
    search: CaptionSearch
    pictures: tuple[str, ...]
    formats: str
    max_pixels: int
    batch_size: int

    def to_json(self) -> str:
        """Return it as one line."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, line: str) -> CaptionTask:
        """Read what :meth:`to_json` gave."""
        value: dict[str, Any] = json.loads(line)
        return cls(**{**value, **_parts(value), "pictures": tuple(value["pictures"])})


@dataclasses.dataclass(frozen=True)
class EvaluationTask:
    """Shards of captions to hold a net against; every ``sample_every`` th picture is given back, small.

    A shard is its URL and the number of its records by the manifest, None without one.
    """

    net: CaptionNet
    search: CaptionSearch
    shards: tuple[tuple[str, int | None], ...]
    max_pixels: int
    batch_size: int
    sample_every: int

    def to_json(self) -> str:
        """Return it as one line."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, line: str) -> EvaluationTask:
        """Read what :meth:`to_json` gave."""
        value: dict[str, Any] = json.loads(line)
        return cls(**{**value, **_parts(value), "shards": tuple((url, count) for url, count in value["shards"])})


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


def _parts(value: dict[str, Any]) -> dict[str, Any]:
    net = CaptionNet(**{**value["net"], "words": tuple(value["net"]["words"])})
    return {"net": net, "search": CaptionSearch(**value["search"])}
