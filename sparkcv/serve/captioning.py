"""A net of captions as a worker process runs it: the batcher drives it as it does a classifier."""

from __future__ import annotations

import os
import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparkcv import storage
from sparkcv.caption import caption_model
from sparkcv.errors import ImageError, ModelError
from sparkcv.preprocess import picture_file
from sparkcv.preprocess.picture_file import PictureRules
from sparkcv.serve.errors import RequestError
from sparkcv.serve.local_copy import local_copy

__all__ = ["CaptionerModel", "kept_model"]


def kept_model(model_url: str, digest: str, cache_dir: str) -> str:
    """Return the copy in ``cache_dir`` of an exported net's folder.

    Raises StorageError, and ModelError unless its files are as exported, and it has this digest.
    """

    def fetch(aside: str) -> None:
        model = caption_model.read_model(model_url)
        if model.digest != digest:
            raise ModelError(f"{model_url!r} has digest {model.digest}, wanted {digest}")
        for name in (caption_model.FILE_NAME, *model.files):
            storage.fetch(storage.join(model_url, name), os.path.join(aside, name))
        try:
            model.net(aside)
        except ModelError as err:  # the user's folder is what is wrong, not our copy of it
            raise ModelError(str(err).replace(aside, model_url.rstrip("/"))) from err

    return local_copy(os.path.join(cache_dir, digest), fetch)


class CaptionerModel:
    """An exported net of captions, loaded from its folder; ``close`` ends it.

    Raises what :class:`sparkcv.caption.captioner.Captioner` does.
    """

    def __init__(self, model_url: str, rules: PictureRules, num_threads: int) -> None:
        from sparkcv.caption import captioner  # TensorFlow, in worker processes only

        model = caption_model.read_model(model_url)
        self._captioner, self._words = captioner.open_captioner(model.net(model_url), num_threads)
        self._beams = captioner.rules_of(model.search, self._words)
        self._rules = rules
        self._searching = threading.Lock()

    def decode(self, picture: bytes) -> NDArray[np.float32]:
        """Return a picture as the net takes it; raises RequestError (400) where it cannot be used."""
        try:
            found: NDArray[np.float32] = self._captioner.prepare(picture_file.read(picture, self._rules))
        except ImageError as err:
            raise RequestError(400, str(err)) from err
        return found

    def score(self, pixels: NDArray[np.float32]) -> Any:
        """Return the captions of each picture of a batch, best first: texts and probabilities."""
        with self._searching:
            found = self._captioner.captions(list(pixels), self._beams)
        return [[(self._words.decode(one.ids), one.probability) for one in captions] for captions in found]

    def close(self) -> None:
        """Give back memory and threads."""
        self._captioner.close()
