"""A generator of pictures from captions: what its worker process is asked, and how the batcher there drives it."""

from __future__ import annotations

import dataclasses
import io
import json
import os
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sparkcv import storage
from sparkcv.errors import ModelError, UsageError
from sparkcv.rundir import checkpoint
from sparkcv.serve.local_copy import local_copy
from sparkcv.serve.model_process import WorkerOrder
from sparkcv.text2image import trained_gan
from sparkcv.text2image.gan_spec import GanSpec
from sparkcv.text2image.picture_task import Row
from sparkcv.text2image.trained_gan import TrainedGan

__all__ = ["GeneratorModel", "MAX_WORDS", "asked", "find", "order_of"]

MAX_WORDS = 100
"""Words of a caption at most."""


def find(run_url: str) -> TrainedGan:
    """Return what a training left; raises ModelError for nets that were trained on vectors of captions."""
    try:
        return trained_gan.find(run_url, None, MAX_WORDS)
    except UsageError as err:
        raise ModelError(
            f"the nets of {run_url!r} were trained on vectors of captions, which a request does not have; wanted nets"
            " trained on words (`sparkcv generate --vectors` makes pictures by these)"
        ) from err


def order_of(order: WorkerOrder, found: TrainedGan) -> WorkerOrder:
    """Return the order for the worker process of a generator: this checkpoint, though a training may go on."""
    return dataclasses.replace(order, model_url=found.checkpoint, sizes=dataclasses.asdict(found.spec))


def asked(row: Row, seed: int) -> bytes:
    """Return what the worker process is sent for one picture, in place of a picture's bytes."""
    return json.dumps({"row": dataclasses.asdict(row), "seed": seed}).encode()


class GeneratorModel:
    """The generator of an order, in a worker process; ``close`` ends it.

    Raises CheckpointError for a checkpoint of other nets, and StorageError.
    """

    def __init__(self, order: dict[str, Any]) -> None:
        from sparkcv.text2image.picture_maker import PictureMaker  # TensorFlow, in worker processes only

        prefix = _fetched(order["model_url"], os.path.join(order["cache_dir"], order["digest"]))
        self._maker = PictureMaker(prefix, order["model_url"], GanSpec(**order["sizes"]), order["num_threads"])

    def decode(self, picture: bytes) -> NDArray[np.float32]:
        """Return what the net takes for one picture, of what :func:`asked` gave."""
        value = json.loads(picture)
        return self._maker.prepare(Row.of(value["row"]), value["seed"])

    def score(self, given: NDArray[np.float32]) -> list[bytes]:
        """Return the PNGs of a batch."""
        return [_png(pixels) for pixels in self._maker.run(given)]

    def close(self) -> None:
        """Give back memory and threads."""
        self._maker.close()


def _fetched(url: str, folder: str) -> str:
    """Return the local prefix of a checkpoint, copied once: a training that goes on deletes its old ones."""
    local_copy(folder, lambda aside: checkpoint.fetch(checkpoint.locate(url), aside))
    (inner,) = os.listdir(folder)
    return os.path.join(folder, inner, storage.basename(url))


def _png(pixels: NDArray[np.uint8]) -> bytes:
    sink = io.BytesIO()
    Image.fromarray(pixels).save(sink, "PNG")
    return sink.getvalue()
