"""The net of captions against the same sums in NumPy: loss, every gradient, steps of the search; variables' names."""

import numpy as np
import pytest

from sparkcv.caption import caption_net, caption_weights
from sparkcv.caption.caption_net import CaptionSpec
from sparkcv.nets.slim import tf
from sparkcv.train import placement

pytestmark = pytest.mark.tensorflow

SPEC = CaptionSpec(num_words=7, num_features=5, embedding=4, units=3)
CAPTIONS = np.array([[1, 3, 4, 2, -1, -1], [1, 5, 2, -1, -1, -1], [1, 6, 6, 3, 2, -1]])
FEATURES = np.random.default_rng(1).normal(size=(3, 5))


@pytest.fixture(scope="module")
def values():
    rng = np.random.default_rng(0)
    return {name: rng.normal(size=shape) * 0.5 for name, shape in SPEC.variables().items()}


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


class PlainNet:
    """Loss and gradients of the net, one caption and one word at a time, in float64."""

    def __init__(self, values):
        self.v = values
        self.grads = {name: np.zeros_like(value) for name, value in values.items()}

    def step(self, x, cells, output):
        both = np.concatenate([x, output])
        i, j, f, o = np.split(both @ self.v["lstm/basic_lstm_cell/kernel"] + self.v["lstm/basic_lstm_cell/bias"], 4)
        i, j, f, o = sigmoid(i), np.tanh(j), sigmoid(f + 1), sigmoid(o)
        new = cells * f + i * j
        return new, np.tanh(new) * o, (both, cells, new, i, j, f, o)

    def back(self, kept, d_cells, d_output):
        both, cells, new, i, j, f, o = kept
        d_new = d_cells + d_output * o * (1 - np.tanh(new) ** 2)
        parts = [d_new * j * i * (1 - i), d_new * i * (1 - j**2), d_new * cells * f * (1 - f)]
        d_gates = np.concatenate([*parts, d_output * np.tanh(new) * o * (1 - o)])
        self.grads["lstm/basic_lstm_cell/kernel"] += np.outer(both, d_gates)
        self.grads["lstm/basic_lstm_cell/bias"] += d_gates
        d_both = self.v["lstm/basic_lstm_cell/kernel"] @ d_gates
        return d_both[: SPEC.embedding], d_new * f, d_both[SPEC.embedding :]

    def loss(self, features, captions, smoothing=0.0):
        total, count = 0.0, sum((caption >= 0).sum() - 1 for caption in captions)
        for picture, caption in zip(features, captions, strict=True):
            ids = caption[caption >= 0]
            state = np.zeros(SPEC.units), np.zeros(SPEC.units)
            inputs = [picture @ self.v["image_embedding/weights"], *self.v["seq_embedding/map"][ids[:-1]]]
            kept, d_outputs = [], [np.zeros(SPEC.units)]
            for number, x in enumerate(inputs):
                *state, held = self.step(x, *state)
                kept.append(held)
                if number:
                    logits = state[1] @ self.v["logits/weights"] + self.v["logits/biases"]
                    chances = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
                    wanted = np.eye(SPEC.num_words)[ids[number]] * (1 - smoothing) + smoothing / SPEC.num_words
                    total -= wanted @ np.log(chances) / count
                    d_logits = (chances - wanted) / count
                    self.grads["logits/weights"] += np.outer(state[1], d_logits)
                    self.grads["logits/biases"] += d_logits
                    d_outputs.append(self.v["logits/weights"] @ d_logits)
            d_cells, d_output = np.zeros(SPEC.units), np.zeros(SPEC.units)
            for number in reversed(range(len(inputs))):
                d_x, d_cells, d_output = self.back(kept[number], d_cells, d_output + d_outputs[number])
                if number:
                    self.grads["seq_embedding/map"][ids[number - 1]] += d_x
                else:
                    self.grads["image_embedding/weights"] += np.outer(picture, d_x)
        return total


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_loss_and_gradients_are_those_of_plain_sums(values, smoothing):
    plain = PlainNet(values)
    wanted = plain.loss(FEATURES, CAPTIONS, smoothing)
    with tf.Graph().as_default(), tf.Session() as session:
        weights = {name: tf.constant(value, tf.float32) for name, value in values.items()}
        features, captions = tf.constant(FEATURES, tf.float32), tf.constant(CAPTIONS)
        loss = caption_net.loss(weights, features, captions, label_smoothing=smoothing)
        gradients = [tf.convert_to_tensor(each) for each in tf.gradients(loss, list(weights.values()))]
        got, grads = session.run([loss, gradients])
    assert got == pytest.approx(wanted, abs=1e-5)
    for name, gradient in zip(weights, grads, strict=True):
        assert np.abs(gradient - plain.grads[name]).max() < 1e-5, name
        assert np.abs(gradient).max() > 1e-4, name


def test_the_steps_of_the_search_are_those_of_plain_sums(values):
    plain = PlainNet(values)
    state = plain.step(FEATURES[0] @ values["image_embedding/weights"], np.zeros(3), np.zeros(3))[:2]
    state = plain.step(values["seq_embedding/map"][4], *state)[:2]
    with tf.Graph().as_default(), tf.Session() as session:
        weights = {name: tf.constant(value, tf.float32) for name, value in values.items()}
        first = caption_net.first_state(weights, tf.constant(FEATURES, tf.float32))
        cells, output = caption_net.next_state(weights, tf.constant([4, 4, 4]), first)
        got = session.run([cells, output, caption_net.word_scores(weights, output)])
    assert np.allclose(got[0][0], state[0], atol=1e-5)
    assert np.allclose(got[1][0], state[1], atol=1e-5)
    assert np.allclose(got[2][0], state[1] @ values["logits/weights"] + values["logits/biases"], atol=1e-5)


def test_dropout_is_of_what_the_lstm_reads_and_writes_alone(values):
    seen = []

    def drop(tensor):
        seen.append(tensor.shape.as_list())
        return tf.nn.dropout(tensor, rate=0.3, seed=1)

    with tf.Graph().as_default(), tf.Session() as session:
        weights = {name: tf.constant(value, tf.float32) for name, value in values.items()}
        loss = caption_net.loss(weights, tf.constant(FEATURES, tf.float32), tf.constant(CAPTIONS), drop)
        first, second = session.run(loss), session.run(loss)
    assert sorted(shape[-1] for shape in seen) == [3, 4, 4]
    assert np.isfinite([first, second]).all()
    assert first != second


def test_variables_have_the_published_names_and_shapes():
    with tf.Graph().as_default():
        caption_net.trained_weights(CaptionSpec(num_words=12000, num_features=2048))
        made = {variable.op.name: tuple(variable.shape.as_list()) for variable in tf.trainable_variables()}
    assert made == {
        "image_embedding/weights": (2048, 512),
        "seq_embedding/map": (12000, 512),
        "lstm/basic_lstm_cell/kernel": (1024, 2048),
        "lstm/basic_lstm_cell/bias": (2048,),
        "logits/weights": (512, 12000),
        "logits/biases": (12000,),
    }
    assert {name.split("/")[0] for name in made} == set(caption_weights.SCOPES.split(","))


@pytest.mark.parametrize("cut", [caption_net._WORDS, caption_net._KERNEL, caption_net._LOGITS, None])
def test_variables_that_are_cut_into_parts_for_several_ps_count_as_whole_ones(values, cut):
    """A checkpoint has them whole, in their order; TensorFlow's lookup takes every other word from the other part."""
    wanted = PlainNet(values).loss(FEATURES, CAPTIONS)
    names = [cut] if cut else [name for name, shape in SPEC.variables().items() if len(shape) > 1]
    getter = placement.custom_getter(placement.PsPlan({}, dict.fromkeys(names, 2), ()))
    with tf.Graph().as_default(), tf.Session() as session:
        with tf.variable_scope("", use_resource=True, custom_getter=getter):
            weights = caption_net.trained_weights(SPEC)
        loss = caption_net.loss(weights, tf.constant(FEATURES, tf.float32), tf.constant(CAPTIONS))
        assert len(tf.trainable_variables()) == len(values) + len(names)
        for variable in tf.trainable_variables():
            value, info = values[placement.whole_name(variable)], variable._get_save_slice_info()
            if info is not None:
                where = zip(info.var_offset, info.var_shape, strict=True)
                value = value[tuple(slice(at, at + size) for at, size in where)]
            variable.load(value, session)
        assert session.run(loss) == pytest.approx(wanted, rel=1e-5)
