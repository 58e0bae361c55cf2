"""A transformer net as a worker process runs it: one picture after the other, at its own size."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparkcv import storage
from sparkcv.errors import ImageError, ModelError
from sparkcv.preprocess.picture_file import PictureRules
from sparkcv.records import image_header
from sparkcv.serve.batcher import TOO_LATE, Item, Scored, failure
from sparkcv.serve.local_copy import local_copy
from sparkcv.style import picture_pixels, stylizing, transformer_weights
from sparkcv.style.transformer_weights import TransformerWeights

__all__ = ["Stylizer", "kept_net", "read_net"]

_QUALITY = 95  # of JPEG and WebP: what the job `stylize` writes by itself
_STRIP_PIXELS = 2**18


def read_net(model_url: str) -> TransformerWeights:
    """Return the net of a folder, with mirrored edges, as the job ``stylize`` has it; raises CheckpointError."""
    return transformer_weights.load(model_url).padded("reflect")


def kept_net(model_url: str, digest: str, cache_dir: str) -> TransformerWeights:
    """Return the net of a folder, or of the copy of it in ``cache_dir``.

    Raises what :func:`read_net` does, and ModelError unless the net has this digest.
    """

    def fetch(aside: str) -> None:
        weights = read_net(model_url)
        if weights.digest != digest:
            raise ModelError(f"{model_url!r} has digest {weights.digest}, wanted {digest}")
        storage.write_bytes(os.path.join(aside, transformer_weights.FILE_NAME), transformer_weights.dump(weights))

    return read_net(local_copy(os.path.join(cache_dir, digest), fetch))


class Stylizer:
    """An exported or published transformer net, fed and closed as the batcher is; ``on_made`` gets each answer.

    Pictures wait as their files' bytes, and one at a time is decoded, so that memory does not grow with their number.
    """

    def __init__(
        self, weights: TransformerWeights, rules: PictureRules, num_threads: int, on_made: Callable[[Scored], None]
    ) -> None:
        from sparkcv.style.strips import StripNet  # TensorFlow, in worker processes only

        self._net = StripNet(weights, num_threads, strip_pixels=_STRIP_PIXELS)
        self._rules, self._on_made = rules, on_made
        self._thread = ThreadPoolExecutor(1, "stylize")

    def put(self, item: Item) -> None:
        """Take a picture; its answer comes by ``on_made``."""
        self._thread.submit(self._answer, item)

    def close(self) -> None:
        """Answer what was put in, and give back memory and threads."""
        self._thread.shutdown()
        self._net.close()

    def _answer(self, item: Item) -> None:
        if not item.is_wanted:
            self._on_made(Scored(item, 504, reason=TOO_LATE))
            return
        begin_s = item.ready_s = time.monotonic()
        try:
            made, model_s = self._made(item)
        except ImageError as err:
            self._on_made(Scored(item, 400, reason=str(err)))
        except Exception as err:  # noqa: BLE001 - the client waits for an answer, and others wait behind it
            status, reason = failure(err)  # 503: no room for the layers of a large picture
            self._on_made(Scored(item, status, reason=reason))
        else:
            item.decode_s = time.monotonic() - begin_s - model_s
            self._on_made(Scored(item, 200, made, "", 1, begin_s - item.arrived_s, model_s))

    def _made(self, item: Item) -> tuple[bytes, float]:
        """Return the file of the stylized picture, in its own format if none is wanted, and the seconds of the net."""
        header = image_header.probe(item.picture, max_pixels=self._rules.max_pixels, formats=self._rules.formats)
        item.file_format = item.file_format or (header.format if header.format in picture_pixels.FORMATS else "png")
        model_s = 0.0

        def stylize(pixels: NDArray[np.uint8]) -> Any:
            nonlocal model_s
            begin_s = time.monotonic()
            made = self._net.stylize(pixels)
            model_s = time.monotonic() - begin_s
            return made

        made = stylizing.stylized(item.picture, stylize, self._rules, item.file_format, _QUALITY)
        return made.encoded, model_s
