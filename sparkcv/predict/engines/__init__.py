"""What runs a model: two small protocols that the predictor is built on, so that an engine is one more file."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from sparkcv.errors import ImageError

__all__ = ["Decoder", "Engine", "INPUT", "OUTPUT"]

INPUT = "input"
OUTPUT = "probabilities"
"""The tensors of a frozen graph: float32 pixels in, probabilities out."""


class Engine(Protocol):
    """A loaded network."""

    def probabilities(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Score ``[batch, size, size, channels]``, in the range of the model's preprocessing; ``[batch, classes]``."""

    def close(self) -> None:
        """Give back memory and threads; calling it again does nothing."""


class Decoder(Protocol):
    """A model's preprocessing."""

    def decode(self, pictures: Sequence[tuple[bytes, int]]) -> list[NDArray[Any] | ImageError]:
        """Turn each picture, bytes and orientation (1 to 8), into an array or the reason why not, on its own.

        Arrays are float32 ``[size, size, channels]``.
        """

    def close(self) -> None:
        """Give back memory and threads; calling it again does nothing."""
