"""The sizes of the nets of GAN-CLS, without TensorFlow."""

from __future__ import annotations

import dataclasses

__all__ = ["DISCRIMINATOR", "GENERATOR", "GanSpec", "SIZES"]

GENERATOR, DISCRIMINATOR = "generator", "discriminator"
"""The scopes of the two nets' variables; an encoder of texts that is trained is the discriminator's."""

SIZES = (16, 32, 64, 128)
"""Sides in pixels of the pictures that can be made: 4, doubled again and again."""


@dataclasses.dataclass(frozen=True)
class GanSpec:
    """Sizes of both nets, and of what a text is: ids of ``num_words`` words, ids ``by_characters``, or else a vector.

    ``text_size`` is the length of a text: ids at most, or the vector's numbers.
    """

    text_size: int
    num_words: int = 0
    image_size: int = 64
    z_size: int = 100
    text_units: int = 256
    gf: int = 64
    df: int = 64
    word_size: int = 128
    by_characters: bool = False

    @property
    def has_encoder(self) -> bool:
        """Whether an encoder of texts is trained too, for ids; vectors are taken as they are."""
        return self.by_characters or bool(self.num_words)

    @property
    def num_layers(self) -> int:
        """Layers that double, or halve, a side between 4 and the picture's."""
        return (self.image_size // 4).bit_length() - 1
