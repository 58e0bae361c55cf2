"""The net of Show and Tell, behind an encoder: a picture's features are the first word that an LSTM reads.

Vinyals et al. 2016, https://arxiv.org/abs/1609.06647. Names and shapes of variables are those of im2txt, so that its
checkpoints fit; gates stand in the order of TensorFlow's basic LSTM: input, new value, forget, output.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any

import tensorflow.compat.v1 as tf

from sparkcv.nets import parts

__all__ = ["CaptionSpec", "Weights", "first_state", "loss", "next_state", "trained_weights", "word_scores"]

_IMAGE, _WORDS = "image_embedding/weights", "seq_embedding/map"
_KERNEL, _BIAS = "lstm/basic_lstm_cell/kernel", "lstm/basic_lstm_cell/bias"
_LOGITS, _LOGITS_BIAS = "logits/weights", "logits/biases"
_FORGET_BIAS = 1.0
_INITIAL, _INITIAL_UNITS = 0.08, 512  # im2txt: weights begin as uniform within +- this, at its sizes

Weights = Mapping[str, Any]
"""The net's variables, or tensors, by their names."""

State = tuple[Any, Any]
"""The LSTM's cells and its output, each float32 ``[batch, units]``."""


@dataclasses.dataclass(frozen=True)
class CaptionSpec:
    """The sizes of the net: words of the vocabulary, features of the encoder, of a word, and units of the LSTM."""

    num_words: int
    num_features: int
    embedding: int = 512
    units: int = 512

    def variables(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of each variable by its name."""
        return {
            _IMAGE: (self.num_features, self.embedding),
            _WORDS: (self.num_words, self.embedding),
            _KERNEL: (self.embedding + self.units, 4 * self.units),
            _BIAS: (4 * self.units,),
            _LOGITS: (self.units, self.num_words),
            _LOGITS_BIAS: (self.num_words,),
        }


def trained_weights(spec: CaptionSpec) -> Weights:
    """Return the variables, to be trained, in the current variable scope.

    Weights of smaller nets begin larger, as Glorot has it: else what the picture says is lost among so few units. Those
    of the picture do not, whose inputs are the encoder's.
    """
    initial = _INITIAL * math.sqrt(_INITIAL_UNITS / min(spec.embedding, spec.units))
    collections = [tf.GraphKeys.GLOBAL_VARIABLES, tf.GraphKeys.MODEL_VARIABLES]
    return {
        name: tf.get_variable(
            name,
            shape,
            tf.float32,
            tf.zeros_initializer() if len(shape) == 1 else _uniform(_INITIAL if name == _IMAGE else initial),
            collections=collections,
        )
        for name, shape in spec.variables().items()
    }


def _uniform(most: float) -> Any:
    return tf.random_uniform_initializer(-most, most)


def first_state(weights: Weights, features: Any, drop: Callable[[Any], Any] = lambda values: values) -> State:
    """Return the LSTM's state after it has read pictures' features, float32 ``[batch, features]``."""
    picture = drop(tf.matmul(features, weights[_IMAGE]))
    nothing = tf.zeros([tf.shape(features)[0], weights[_KERNEL].shape[1] // 4])
    return _cell(tf.matmul(picture, _of_inputs(weights)) + weights[_BIAS], nothing, nothing, _of_outputs(weights))


def next_state(weights: Weights, words: Any, state: State) -> State:
    """Return the LSTM's state after it has read one more word of each caption: int64 ``[batch]``."""
    read = parts.rows(weights[_WORDS], words)
    return _cell(tf.matmul(read, _of_inputs(weights)) + weights[_BIAS], *state, _of_outputs(weights))


def word_scores(weights: Weights, outputs: Any) -> Any:
    """Return the logits of the next word, float32 ``[batch, words]``, by the LSTM's outputs ``[batch, units]``."""
    return tf.matmul(outputs, weights[_LOGITS]) + weights[_LOGITS_BIAS]


def loss(
    weights: Weights,
    features: Any,
    captions: Any,
    drop: Callable[[Any], Any] = lambda values: values,
    *,
    label_smoothing: float = 0.0,
) -> Any:
    """Return the mean cross entropy of the words of a batch of captions, a scalar.

    ``features`` are float32 ``[batch, features]``; ``captions`` int64 ``[batch, longest]``, ids from the begin of the
    sentence to its end, and -1 behind it. ``drop`` is the dropout, applied to all that the LSTM reads and writes.
    ``label_smoothing``, 0 to 1, is moved from the true word to all words alike (Szegedy et al. 2016,
    https://arxiv.org/abs/1512.00567): nothing is gained by ever larger scores against what has not been seen together.
    """
    steps = tf.reduce_max(tf.reduce_sum(tf.cast(captions >= 0, tf.int32), axis=1)) - 1
    given = tf.transpose(tf.maximum(captions[:, :-1], 0))[:steps]
    wanted = tf.transpose(captions[:, 1:])[:steps]
    read = drop(parts.rows(weights[_WORDS], given))
    flat = tf.matmul(tf.reshape(read, [-1, read.shape[-1]]), _of_inputs(weights)) + weights[_BIAS]
    inputs = tf.reshape(flat, [steps, -1, flat.shape[-1]])
    outputs = drop(_read(inputs, first_state(weights, features, drop), steps, _of_outputs(weights)))
    there = tf.where(tf.reshape(wanted, [-1]) >= 0)[:, 0]
    scores = word_scores(weights, tf.gather(tf.reshape(outputs, [-1, outputs.shape[-1]]), there))
    targets = tf.gather(tf.reshape(wanted, [-1]), there)
    if not label_smoothing:
        return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=targets, logits=scores))
    num_words = int(scores.shape[-1])
    smoothed = tf.one_hot(targets, num_words) * (1 - label_smoothing) + label_smoothing / num_words
    return tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits_v2(labels=smoothed, logits=scores))


def _read(inputs: Any, state: State, steps: Any, of_outputs: Any) -> Any:
    """Return the LSTM's outputs ``[steps, batch, units]``; ``inputs`` are its gates' ``[steps, batch, 4 * units]``."""

    def go_on(step: Any, cells: Any, output: Any, outputs: Any) -> tuple[Any, ...]:
        cells, output = _cell(inputs[step], cells, output, of_outputs)
        return step + 1, cells, output, outputs.write(step, output)

    outputs = tf.TensorArray(tf.float32, size=steps, element_shape=state[1].shape)
    *_, outputs = tf.while_loop(
        lambda step, *_: step < steps, go_on, (tf.constant(0), *state, outputs), maximum_iterations=steps
    )
    return outputs.stack()


def _cell(inputs: Any, cells: Any, output: Any, of_outputs: Any) -> State:
    new, value, forget, out = tf.split(inputs + tf.matmul(output, of_outputs), 4, axis=1)
    cells = cells * tf.sigmoid(forget + _FORGET_BIAS) + tf.sigmoid(new) * tf.tanh(value)
    return cells, tf.sigmoid(out) * tf.tanh(cells)


def _of_inputs(weights: Weights) -> Any:
    return parts.whole(weights[_KERNEL])[: _num_inputs(weights)]


def _of_outputs(weights: Weights) -> Any:
    return parts.whole(weights[_KERNEL])[_num_inputs(weights) :]


def _num_inputs(weights: Weights) -> int:
    return int(weights[_KERNEL].shape[0]) - int(weights[_KERNEL].shape[1]) // 4
