"""The net of captions that a job's flags name, checked without TensorFlow: checkpoint, encoder and vocabulary."""

import dataclasses
import hashlib
import json

from sparkcv import storage
from sparkcv.caption import caption_model, caption_weights, vocabulary
from sparkcv.caption.caption_task import CaptionNet, CaptionSearch
from sparkcv.caption.vocabulary import Vocabulary
from sparkcv.config.caption_net import CaptionNetConfig
from sparkcv.driver.checkpoint_checks import index_of
from sparkcv.driver.net_flags import check_image_size
from sparkcv.errors import CheckpointError, DataError, LabelError, UsageError
from sparkcv.predict import manifest as manifests
from sparkcv.rundir import checkpoint, checkpoint_model
from sparkcv.rundir.description import RunDescription

__all__ = ["digest_of", "net_of", "search_of"]

_TOLD = ("vocabulary", "model_name", "preprocessing_name", "image_size")
_PUBLISHED_ENCODER = "inception_v3"


def net_of(config: CaptionNetConfig, dataset_words: tuple[str, ...] = ()) -> CaptionNet:
    """Return the net that the flags name; ``dataset_words`` are those that a dataset's ids count.

    Raises:
        MissingFileError: the checkpoint or the vocabulary is not there.
        DataError: a vocabulary that is none.
        LabelError: the dataset has other words than the net.
        CheckpointError: a checkpoint that is not whole, of something else or of another vocabulary.
        ModelError: an exported model that is not as exported.
        UsageError: a net that there is not, a vocabulary that must be named, or an exported model's, which must not.
    """
    folder = storage.resolve(config.checkpoint_path)
    if caption_model.is_caption_model(folder):
        config.refuse_use(_TOLD, f"the exported model {folder!r}, which tells its own,")
        net = caption_model.read_model(folder).net(folder)
        _check_words(net, dataset_words)
        return net
    found = checkpoint.locate(checkpoint_model.resolve(config.checkpoint_path))
    if found.kind:
        raise CheckpointError(
            f"--checkpoint_path {found.prefix_url} is a {found.kind}, wanted a checkpoint of captions"
        )
    told = RunDescription.read(storage.parent(found.prefix_url), pass_over_foreign=True) or RunDescription()
    model_name = config.model_name or told.model_name or _PUBLISHED_ENCODER
    preprocessing = config.preprocessing_name or told.preprocessing_name
    size = config.image_size or told.train_image_size
    check_image_size(model_name, size, preprocessing)
    words = _words(config, told, found.prefix_url, dataset_words)
    index = index_of(found)
    if index is not None:
        caption_weights.fit(index.shapes, len(words), found.prefix_url)
    net = CaptionNet(found.prefix_url, words, model_name, preprocessing, size)
    _check_words(net, dataset_words)
    return net


def digest_of(net: CaptionNet) -> str:
    """Return the sha256, in hex, over a net's weights, words and pictures: what its captions depend on."""
    found = checkpoint.locate(net.checkpoint)
    folder = storage.parent(found.prefix_url)
    files = found.manifest.get("files") or {
        name: manifests.describe_file(storage.join(folder, name)) for name in found.names
    }
    said = [files, {**dataclasses.asdict(net), "checkpoint": ""}]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def _check_words(net: CaptionNet, dataset_words: tuple[str, ...]) -> None:
    if dataset_words and net.words != dataset_words:
        others = " others" if len(net.words) == len(dataset_words) else ""
        raise LabelError(
            f"the dataset has {len(dataset_words)} words, the net {net.checkpoint!r} has {len(net.words)}{others};"
            " wanted the vocabulary that it was trained with"
        )


def search_of(config: CaptionNetConfig) -> CaptionSearch:
    """Return how captions are searched: as the flags say, else as an exported model does, else as im2txt's program.

    Raises ModelError for an exported model that is not as exported.
    """
    folder = storage.resolve(config.checkpoint_path)
    own = caption_model.read_model(folder).search if caption_model.is_caption_model(folder) else CaptionSearch()
    names = (field.name for field in dataclasses.fields(CaptionSearch))
    said = {name: value for name in names if (value := getattr(config, name)) is not None}
    return dataclasses.replace(own, **said)


def _words(config: CaptionNetConfig, told: RunDescription, prefix: str, otherwise: tuple[str, ...]) -> tuple[str, ...]:
    """Return the vocabulary that is named, that of the training, or another one."""
    if config.vocabulary:
        given = vocabulary.read_vocabulary(storage.resolve(config.vocabulary)).words
        _check_own_words(config.vocabulary, given, told, prefix)
        return given
    beside = storage.join(storage.parent(prefix), vocabulary.FILE_NAME)
    if told.labels:
        try:
            return Vocabulary(tuple(told.labels)).words
        except DataError as err:
            raise DataError(f"{storage.parent(prefix)!r} is no training of captions: {err}") from err
    if storage.exists(beside):
        return vocabulary.read_vocabulary(beside).words
    if otherwise:
        return otherwise
    raise UsageError(
        f"--vocabulary is missing: {prefix!r} does not tell its words; wanted the word_counts.txt that it was trained"
        " with"
    )


def _check_own_words(url: str, given: tuple[str, ...], told: RunDescription, prefix: str) -> None:
    """Raise LabelError for a vocabulary of as many words as the training's that are not its words in their order."""
    if len(given) != len(told.labels):
        return  # by the checkpoint's own sizes it is refused, both numbers named, or taken where those allow it
    for number, (ours, theirs) in enumerate(zip(given, told.labels, strict=True)):
        if ours != theirs:
            raise LabelError(
                f"--vocabulary {url}: word {number} is {ours!r} there and {theirs!r} to the training in"
                f" {storage.parent(prefix)!r}; wanted the vocabulary that it was trained with, or none, to take its own"
            )
