"""What a request asks of a model, and what is answered, whichever protocol it came by."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sparkcv.serve.errors import RequestError

__all__ = ["Interface", "ModelInput", "pictures_input", "tensor_input"]

PICTURES, PIXELS, SCORES = "encoded", "input", "probabilities"


@dataclasses.dataclass(frozen=True)
class Interface:
    """What a loaded model takes and gives, as clients see it.

    It takes either ``encoded``, the bytes of picture files ``[batch]``, or ``input``, float32
    ``[batch, size, size, channels]`` in the range of the model's preprocessing, and gives ``probabilities``, float32
    ``[batch, len(labels)]``.
    """

    image_size: int
    channels: int
    labels: tuple[str, ...]
    max_batch: int


@dataclasses.dataclass(frozen=True)
class ModelInput:
    """Pictures to score: either files' bytes, or pixels ``[batch, size, size, channels]``.

    What a style net makes of them is wanted in ``file_format``; "": in each one's own.
    """

    pictures: tuple[bytes, ...] = ()
    pixels: NDArray[np.float32] | None = None
    file_format: str = ""

    def __len__(self) -> int:
        """Return the number of pictures."""
        return len(self.pictures) if self.pixels is None else len(self.pixels)


def pictures_input(pictures: Sequence[bytes], interface: Interface) -> ModelInput:
    """Return files' bytes as an input; raises RequestError where there are none, or too many."""
    _check_count(len(pictures), interface)
    return ModelInput(pictures=tuple(pictures))


def tensor_input(pixels: NDArray[np.float32], interface: Interface) -> ModelInput:
    """Return pixels as an input; raises RequestError for another shape, or values that are not finite."""
    wanted = (interface.image_size, interface.image_size, interface.channels)
    if pixels.ndim != 4 or pixels.shape[1:] != wanted:
        raise RequestError(
            400,
            f"the tensor {PIXELS!r} has shape {list(pixels.shape)}, wanted [batch, {', '.join(map(str, wanted))}]",
        )
    _check_count(len(pixels), interface)
    if not np.isfinite(pixels).all():
        raise RequestError(400, f"the tensor {PIXELS!r} has values that are not finite numbers")
    return ModelInput(pixels=pixels)


def _check_count(count: int, interface: Interface) -> None:
    if not 1 <= count <= interface.max_batch:
        raise RequestError(400, f"the request has {count} pictures, wanted 1 to {interface.max_batch}")
