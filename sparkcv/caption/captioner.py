"""Captions of pictures by a trained net: pictures are preprocessed one by one, looked at and told in batches."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparkcv.nets.slim import model_variables, tf  # first: whoever imports TensorFlow without it has pandas come along

# isort: split
from sparkcv import container, nets, preprocess
from sparkcv.caption import caption_net, caption_weights
from sparkcv.caption.beam_search import BeamRules, FoundCaption, search
from sparkcv.caption.caption_net import CaptionSpec
from sparkcv.caption.caption_task import CaptionNet, CaptionSearch
from sparkcv.caption.caption_tower import features_of
from sparkcv.caption.vocabulary import Vocabulary
from sparkcv.errors import CheckpointError, ImageError
from sparkcv.preprocess.picture_file import SeenPicture
from sparkcv.rundir import checkpoint

__all__ = ["Captioner", "open_captioner", "rules_of"]

_SHOWN = 3


class Captioner:
    """A net with its weights in a session; ``close`` ends that.

    ``prefix`` is a checkpoint on this machine, of either format and of any generation of names, ``source`` what the
    user calls it; ``num_threads`` is of an operation, 0: all cores. ``restored`` is the table of what was taken from
    it. Raises CheckpointError for a checkpoint without captions, of another encoder, or of another vocabulary, whose
    ``num_words`` are named.
    """

    def __init__(
        self,
        prefix: str,
        source: str,
        *,
        model_name: str,
        num_words: int,
        image_size: int | None = None,
        preprocessing_name: str | None = None,
        num_threads: int = 0,
    ) -> None:
        net = nets.get(model_name)
        size = image_size or net.default_image_size
        family = preprocess.get(preprocessing_name or net.preprocessing)
        shapes = _shapes(prefix, source)
        fitted = caption_weights.fit(shapes, num_words, source)
        self._num_words = num_words
        self._graph = tf.Graph()
        self._steps: dict[int, tuple[Any, Any, Any]] = {}
        with self._graph.as_default():
            self._encoded = tf.placeholder(tf.string, [])
            self._orientation = tf.placeholder(tf.int64, [])
            picture = preprocess.EncodedPicture(self._encoded, self._orientation)
            self._image = family.for_eval(picture, size)
            self._images = tf.placeholder(tf.float32, [None, *self._image.shape.as_list()])
            features = self._features = features_of(model_name, self._images, is_training=False)
            encoder = {variable.op.name: variable for variable in model_variables()}
            _check_encoder(encoder, shapes, int(features.shape[-1]), fitted.num_features, (model_name, source))
            spec = CaptionSpec(fitted.num_words, fitted.num_features, fitted.embedding, fitted.units)
            self._weights = caption_net.trained_weights(spec)
            self._first = tf.concat(caption_net.first_state(self._weights, features), 1)
            self._words = tf.placeholder(tf.int64, [None])
            self._state = tf.placeholder(tf.float32, [None, 2 * fitted.units])
            self._told = tf.placeholder(tf.int64, [None, None])
            self._loss = caption_net.loss(self._weights, features, self._told)
            self._saver = tf.train.Saver(
                {**encoder, **{fitted.names[name]: each for name, each in self._weights.items()}}
            )
            threads = num_threads or container.cores()
            config = tf.ConfigProto(intra_op_parallelism_threads=threads, inter_op_parallelism_threads=threads)
            self._session = tf.Session(graph=self._graph, config=config)
            try:
                self._saver.restore(self._session, prefix)
            except (tf.errors.OpError, ValueError) as err:
                self.close()
                raise CheckpointError(f"the checkpoint {source!r} cannot be restored: {_first_line(err)}") from err
        self.restored = fitted.lines(len(encoder))

    def prepare(self, picture: SeenPicture) -> NDArray[np.float32]:
        """Return a picture as the encoder takes it; raises ImageError for one that cannot be decoded."""
        try:
            image: NDArray[np.float32] = self._session.run(
                self._image, {self._encoded: picture.encoded, self._orientation: picture.orientation}
            )
        except tf.errors.OpError as err:
            raise ImageError(f"damaged: TensorFlow cannot decode the picture: {_first_line(err)}") from err
        return image

    def captions(self, images: Sequence[NDArray[np.float32]], rules: BeamRules) -> list[list[FoundCaption]]:
        """Return the captions of a batch of prepared pictures, best first."""
        words, logs, state = self._step(min(rules.width, self._num_words))

        def step(newest: NDArray[np.int64], states: Any) -> tuple[NDArray[np.float32], NDArray[np.int64], Any]:
            found = self._session.run([logs, words, state], {self._words: newest, self._state: states})
            return found[0], found[1].astype(np.int64), found[2]

        states = self._session.run(self._first, {self._images: np.stack(images)})
        return search(states, step, rules)

    def log_probability(
        self, images: Sequence[NDArray[np.float32]], captions: Sequence[Sequence[Sequence[int]]]
    ) -> list[float]:
        """Return the logarithm of probability of all captions of each picture together.

        ``captions`` has each picture's, ids from the begin of the sentence to its end.
        """
        features = self._session.run(self._features, {self._images: np.stack(images)})
        found = []
        for picture, of_picture in zip(features, captions, strict=True):
            told = np.full((len(of_picture), max(map(len, of_picture))), -1, np.int64)
            for row, ids in zip(told, of_picture, strict=True):
                row[: len(ids)] = ids
            # A feed may stand in for any tensor: the encoder has looked at the picture already.
            repeated = np.repeat(picture[None], len(told), axis=0)
            mean = self._session.run(self._loss, {self._features: repeated, self._told: told})
            found.append(-float(mean) * int((told[:, 1:] >= 0).sum()))
        return found

    def save(self, prefix: str) -> None:
        """Write the weights, and nothing else, as a checkpoint of this prefix."""
        with self._graph.as_default():
            self._saver.save(self._session, prefix, write_meta_graph=False, write_state=False)

    def close(self) -> None:
        """End the session. Twice is fine."""
        self._session.close()

    def _step(self, width: int) -> tuple[Any, Any, Any]:
        """Return the next words, their logarithms of probability and the new state, of beams of this width."""
        if width not in self._steps:
            with self._graph.as_default():
                cells, output = tf.split(self._state, 2, axis=1)
                cells, output = caption_net.next_state(self._weights, self._words, (cells, output))
                # The probabilities are of all that the net knows, but only words of the vocabulary are taken.
                logs = tf.nn.log_softmax(caption_net.word_scores(self._weights, output))[:, : self._num_words]
                best, words = tf.math.top_k(logs, width)
                self._steps[width] = words, best, tf.concat([cells, output], 1)
        return self._steps[width]


def open_captioner(net: CaptionNet, num_threads: int = 0) -> tuple[Captioner, Vocabulary]:
    """Fetch and load a net, ``num_threads`` to an operation; raises what :class:`Captioner` does, and StorageError."""
    words = Vocabulary(net.words)
    with tempfile.TemporaryDirectory(prefix="sparkcv-caption-") as scratch:
        captioner = Captioner(
            checkpoint.fetch(checkpoint.locate(net.checkpoint), scratch),
            net.checkpoint,
            model_name=net.model_name,
            num_words=len(words),
            image_size=net.image_size,
            preprocessing_name=net.preprocessing_name,
            num_threads=num_threads,
        )
    return captioner, words


def rules_of(search: CaptionSearch, words: Vocabulary) -> BeamRules:
    """Return the rules of a search for captions of these words."""
    return BeamRules(words.start_id, words.end_id, search.beam_size, search.max_words, search.length_normalization)


def _check_encoder(
    encoder: dict[str, Any], shapes: dict[str, list[int]], made: int, wanted: int, named: tuple[str, str]
) -> None:
    """Raise CheckpointError unless the checkpoint has the encoder's variables, of the right shapes."""
    model_name, source = named
    missing = [name for name in encoder if name not in shapes]
    if missing:
        shown = ", ".join(missing[:_SHOWN])
        raise CheckpointError(
            f"the checkpoint {source!r} lacks {len(missing)} of the {len(encoder)} variables of {model_name} ({shown}):"
            " its encoder is another net; name it by --model_name"
        )
    for name, variable in encoder.items():
        if list(shapes[name]) != variable.shape.as_list():
            raise CheckpointError(
                f"the checkpoint {source!r} has {name} of shape {list(shapes[name])}, {model_name} wants"
                f" {variable.shape.as_list()}"
            )
    if made != wanted:
        raise CheckpointError(
            f"the checkpoint {source!r} is of an encoder of {wanted} features, {model_name} gives {made} at this size"
            " of picture"
        )


def _shapes(prefix: str, source: str) -> dict[str, list[int]]:
    try:
        return dict(tf.train.load_checkpoint(prefix).get_variable_to_shape_map())
    except (tf.errors.OpError, ValueError, RuntimeError) as err:
        raise CheckpointError(f"the checkpoint {source!r} cannot be read: {_first_line(err)}") from err


def _first_line(err: Exception) -> str:
    return (str(err).strip().splitlines() or [type(err).__name__])[0][:300]
