"""What runs a model: two small protocols that the predictor is built on, so that an engine is one more file."""

import dataclasses
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from sparkcv.errors import ImageError

__all__ = ["Decoder", "Engine", "INPUT", "NetSpec", "OUTPUT", "pooled"]

INPUT = "input"
OUTPUT = "probabilities"
"""The tensors of a frozen graph: float32 pixels in, probabilities out."""


@dataclasses.dataclass(frozen=True)
class NetSpec:
    """How a model's net is run, and what it gives beside the probabilities.

    Attributes:
        engine: ``auto``, ``tf`` or ``openvino``.
        precision: ``fp32``, ``bf16`` or ``int8``; the last two where ``proof_url`` says that they agree.
        features: the end point whose values come with each prediction; None: none.
        proof_url: folder that :func:`sparkcv.predict.accuracy.measure` wrote.
    """

    engine: str = "auto"
    precision: str = "fp32"
    features: str | None = None
    proof_url: str | None = None


class Engine(Protocol):
    """A loaded network."""

    def probabilities(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Score ``[batch, size, size, channels]``, in the range of the model's preprocessing; ``[batch, classes]``."""

    def with_features(self, images: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the probabilities and the features ``[batch, channels]``, of an engine that was loaded with some."""

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


def pooled(values: NDArray[Any]) -> NDArray[np.float32]:
    """Return the mean over the area of maps ``[batch, height, width, channels]``, in float32 whatever the net ran in.

    What has no area, ``[batch, channels]``, is returned as it is.
    """
    values = np.asarray(values, np.float32)
    return values.mean((1, 2), dtype=np.float32) if values.ndim == 4 else values
