"""A training of pictures from captions as its pictures are made: checkpoint, sizes, and what its texts are."""

from __future__ import annotations

import dataclasses
import hashlib
import json

from sparkcv import storage
from sparkcv.caption.caption_vectors import CaptionVectors, read_vectors
from sparkcv.caption.vocabulary import Vocabulary
from sparkcv.config.train_text2image import VECTORS
from sparkcv.errors import CheckpointError, DataError, UsageError
from sparkcv.rundir import checkpoint, checkpoint_model
from sparkcv.rundir.description import RunDescription
from sparkcv.text2image.gan_of_config import KEPT, spec_of
from sparkcv.text2image.gan_spec import GanSpec
from sparkcv.text2image.picture_request import Texts

__all__ = ["TrainedGan", "find", "is_trained"]


@dataclasses.dataclass(frozen=True)
class TrainedGan:
    """The prefix of a checkpoint, the step that it is of, its nets' sizes, and what texts are to them.

    ``digest`` is the sha256, in hex, over what the checkpoint's manifest says of its files, sizes and words.
    """

    checkpoint: str
    step: int
    spec: GanSpec
    texts: Texts
    run_dir: str
    digest: str = ""


def is_trained(run_url: str) -> bool:
    """Tell whether a folder is that of a training of pictures from captions, with a checkpoint."""
    try:
        told = RunDescription.read(run_url, pass_over_foreign=True)
    except CheckpointError:
        return False
    return told is not None and set(KEPT) <= set(told.config) and bool(checkpoint.steps(run_url))


def find(checkpoint_path: str, vectors: str | None, max_words: int) -> TrainedGan:
    """Look at a checkpoint and its run without TensorFlow; ``vectors`` is the file of them, where one is given.

    Raises CheckpointError for what is no checkpoint of such a training, and UsageError for vectors that are missing, or
    of no use.
    """
    found = checkpoint.locate(checkpoint_model.resolve(checkpoint_path))
    run_dir = storage.parent(found.prefix_url)
    if found.kind:
        raise CheckpointError(f"--checkpoint_path {found.prefix_url} is a {found.kind}, wanted a checkpoint")
    told = RunDescription.read(run_dir, pass_over_foreign=True)
    if told is None:
        raise CheckpointError(f"{run_dir!r} has no run.json; wanted the folder of a training of pictures from captions")
    try:
        spec_of(told.config, 0, 0)
        words = Vocabulary(tuple(told.labels))
    except (CheckpointError, DataError) as err:
        raise CheckpointError(f"{run_dir!r} is no training of pictures from captions: {err}") from err
    wants = told.config["text"] == VECTORS
    if wants != bool(vectors):
        raise UsageError(
            f"--vectors is missing: the nets of {run_dir!r} were trained on vectors; wanted those of the captions"
            if wants
            else f"--vectors {vectors}: the nets of {run_dir!r} were trained on {told.config['text']}; wanted it unset"
        )
    given: CaptionVectors | None = read_vectors(storage.resolve(vectors)) if vectors else None
    spec = spec_of(told.config, given.size if given else max_words + 2, len(words))
    texts = Texts(words, given, max_words, spec.by_characters)
    said = [found.manifest.get("files"), dataclasses.asdict(spec), words.words]
    digest = hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
    return TrainedGan(found.prefix_url, found.step, spec, texts, run_dir, digest)
