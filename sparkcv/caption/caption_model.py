"""An exported net of captions: a folder with its contract, ``captions.json``, weights and vocabulary, in whole or not.

``captions.json`` says how the net is run, and names each other file with its bytes and sha256; its own digest over all
of that is the model's name to other processes.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from sparkcv import storage
from sparkcv.caption import vocabulary
from sparkcv.caption.caption_task import CaptionNet, CaptionSearch
from sparkcv.errors import ModelError
from sparkcv.predict import manifest as manifests

__all__ = ["CaptionModel", "FILE_NAME", "is_caption_model", "read_model"]

FILE_NAME = "captions.json"
_SCHEMA = 1
_MOST_BYTES = 1 << 20
_KINDS: Mapping[str, tuple[type, ...]] = {
    "checkpoint": (str,),
    "model_name": (str,),
    "preprocessing_name": (str, type(None)),
    "image_size": (int, type(None)),
    "num_words": (int,),
    "step": (int, type(None)),
    "search": (dict,),
    "files": (dict,),
}


@dataclasses.dataclass(frozen=True)
class CaptionModel:
    """What ``captions.json`` says.

    Attributes:
        checkpoint: the prefix of the weights in the folder.
        model_name: the encoder.
        preprocessing_name: its pictures' preprocessing; None: the encoder's own.
        image_size: side of the square input in pixels; None: the encoder's own.
        num_words: of ``word_counts.txt``.
        step: of the training; None where nobody knows.
        search: how captions are searched.
        files: relative name -> ``{"sha256": hex, "bytes": count}``.
    """

    checkpoint: str
    model_name: str
    preprocessing_name: str | None
    image_size: int | None
    num_words: int
    step: int | None
    search: CaptionSearch
    files: Mapping[str, Mapping[str, Any]]

    @property
    def digest(self) -> str:
        """The sha256, in hex, over all that the file says."""
        return hashlib.sha256(json.dumps(dataclasses.asdict(self), sort_keys=True).encode()).hexdigest()

    def to_json(self) -> str:
        """Return the file's text."""
        value = {"schema": _SCHEMA, **dataclasses.asdict(self), "digest": self.digest}
        return json.dumps(value, indent=1, sort_keys=True) + "\n"

    def net(self, model_url: str) -> CaptionNet:
        """Return the net of the folder ``model_url``; raises ModelError for a file that is not as exported."""
        for name, wanted in self.files.items():
            url = storage.join(model_url, name)
            manifests.compare(url, manifests.describe_file(url), wanted, FILE_NAME)
        words = vocabulary.read_vocabulary(storage.join(model_url, vocabulary.FILE_NAME)).words
        if len(words) != self.num_words:
            raise ModelError(f"{model_url!r} has {len(words)} words, {FILE_NAME} says {self.num_words}")
        prefix = storage.join(model_url, self.checkpoint)
        return CaptionNet(prefix, words, self.model_name, self.preprocessing_name, self.image_size)


def is_caption_model(model_url: str) -> bool:
    """Tell whether a folder has what describes an exported net of captions."""
    return storage.exists(storage.join(model_url, FILE_NAME))


def read_model(model_url: str) -> CaptionModel:
    """Read ``captions.json`` of a folder; the other files are not looked at.

    Raises MissingFileError where it is not there, and ModelError where it is not what an export wrote.
    """
    url = storage.join(model_url, FILE_NAME)
    data = storage.read_bytes(url, 0, _MOST_BYTES)
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as err:
        raise ModelError(f"{url!r} is not JSON: {err}") from err
    if not isinstance(value, dict) or value.pop("schema", None) != _SCHEMA:
        raise ModelError(f"{url!r} is no description of captions of schema {_SCHEMA}, wanted what an export wrote")
    digest = value.pop("digest", None)
    if sorted(value) != sorted(_KINDS):
        raise ModelError(f"{url!r} has the fields {', '.join(sorted(value))}; wanted {', '.join(sorted(_KINDS))}")
    for name, kinds in _KINDS.items():
        if not isinstance(value[name], kinds) or isinstance(value[name], bool):
            raise ModelError(f"{url!r}: {name} is {json.dumps(value[name])[:80]}, wanted what an export wrote")
    if any("/" in name or name.startswith(".") for name in (value["checkpoint"], *value["files"])):
        raise ModelError(f"{url!r} names a file outside of its folder, wanted names without '/'")
    try:
        found = CaptionModel(**{**value, "search": CaptionSearch(**value["search"])})
    except TypeError as err:
        raise ModelError(f"{url!r}: search is {json.dumps(value['search'])[:80]}, wanted what an export wrote") from err
    if found.digest != digest:
        raise ModelError(f"{url!r} was changed: its digest is {found.digest}, it says {digest}")
    return found
