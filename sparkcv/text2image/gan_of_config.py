"""The nets' sizes by the flags of their training, and by what the data tells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sparkcv.config.train_text2image import CHARACTERS, WORDS
from sparkcv.errors import CheckpointError
from sparkcv.records import characters
from sparkcv.text2image.gan_spec import GanSpec

__all__ = ["KEPT", "spec_of"]

KEPT = ("text", "z_size", "text_units", "word_size", "gf", "df", "train_image_size")
"""The flags that say what a checkpoint holds."""


def spec_of(config: Mapping[str, Any], text_size: int, num_words: int) -> GanSpec:
    """Return the sizes of a training with these flags; ``text_size`` and ``num_words`` are of ids of words, or vectors.

    Raises CheckpointError for flags of another kind of training.
    """
    missing = [name for name in KEPT if name not in config]
    if missing:
        raise CheckpointError(f"the run has no {missing[0]}: wanted a training of pictures from captions")
    by_characters = config["text"] == CHARACTERS
    return GanSpec(
        characters.LENGTH if by_characters else text_size,
        num_words if config["text"] == WORDS else 0,
        int(config["train_image_size"]),
        int(config["z_size"]),
        int(config["text_units"]),
        int(config["gf"]),
        int(config["df"]),
        int(config["word_size"]),
        by_characters,
    )
