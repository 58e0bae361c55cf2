"""Learning rates and update rules are slim's: rates at chosen steps, updates against formulas in NumPy."""

import dataclasses

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from sparkcv.config import TrainConfig
from sparkcv.config.train import OPTIMIZERS
from sparkcv.errors import UsageError
from sparkcv.train import optimizers, scopes

pytestmark = pytest.mark.tensorflow


def rates(config, num_records, steps):
    with tf.Graph().as_default(), tf.Session() as session:
        step = tf.placeholder(tf.int64, [])
        rate = tf.convert_to_tensor(optimizers.learning_rate(config, num_records, step))
        assert rate.dtype == tf.float32
        return [session.run(rate, {step: value}) for value in steps]


def test_exponential_decay_goes_down_by_a_factor_every_two_epochs():
    """1000 records in batches of 32: slim decays every int(2 * 31.25) = 62 steps."""
    config = TrainConfig(learning_rate_decay_type="exponential", learning_rate=0.01)
    assert rates(config, 1000, [0, 61, 62, 123, 124, 620]) == pytest.approx(
        [0.01, 0.01, 0.0094, 0.0094, 0.01 * 0.94**2, 0.01 * 0.94**10]
    )


def test_polynomial_decay_is_a_line_to_the_end_rate():
    config = TrainConfig(learning_rate_decay_type="polynomial", learning_rate=0.1, end_learning_rate=0.02)
    assert rates(config, 1600, [0, 50, 100, 500]) == pytest.approx([0.1, 0.06, 0.02, 0.02])


def test_a_fixed_rate_stays():
    config = TrainConfig(learning_rate_decay_type="fixed", learning_rate=0.3)
    assert rates(config, 1000, [0, 10_000]) == pytest.approx([0.3, 0.3])


def test_cosine_decay_is_half_a_wave_to_the_end_rate():
    config = TrainConfig(learning_rate_decay_type="cosine", learning_rate=0.1, end_learning_rate=0.02)
    half = 0.02 + 0.08 * (1 + np.cos(np.pi * 0.25)) / 2
    assert rates(config, 1600, [0, 25, 50, 100, 500]) == pytest.approx([0.1, half, 0.06, 0.02, 0.02])


def test_a_synchronous_step_counts_the_batches_that_it_aggregates():
    asynchronous = TrainConfig(batch_size=10, num_epochs_per_decay=1.5, replicas_to_aggregate=4)
    assert optimizers.decay_steps(asynchronous, 1000) == 150
    assert optimizers.decay_steps(dataclasses.replace(asynchronous, sync_replicas=True), 1000) == 37


def test_a_dataset_smaller_than_a_step_decays_every_step_instead_of_becoming_nan():
    config = TrainConfig(batch_size=32, num_epochs_per_decay=1.0)
    assert optimizers.decay_steps(config, 5) == 1
    assert rates(config, 5, [0, 1, 2]) == pytest.approx([0.01, 0.0094, 0.01 * 0.94**2])


def test_an_unknown_decay_or_optimizer_is_refused():
    config = dataclasses.replace(TrainConfig())
    object.__setattr__(config, "learning_rate_decay_type", "linear")
    object.__setattr__(config, "optimizer", "lion")
    with pytest.raises(UsageError, match="unknown --learning_rate_decay_type 'linear', wanted 'fixed', 'exponential'"):
        optimizers.learning_rate(config, 10, tf.constant(0))
    with pytest.raises(UsageError, match="unknown --optimizer 'lion', wanted one of adadelta, adagrad, adam, ftrl"):
        optimizers.optimizer(config, 0.1)


RATE, START = 0.1, 1.0
GRADIENTS = (0.5, -0.25, 2.0)
VALUES = {
    "adadelta_rho": 0.8,
    "adagrad_initial_accumulator_value": 0.3,
    "adam_beta1": 0.7,
    "adam_beta2": 0.95,
    "opt_epsilon": 0.01,
    "ftrl_initial_accumulator_value": 0.2,
    "ftrl_l1": 0.05,
    "ftrl_l2": 0.02,
    "ftrl_learning_rate_power": -0.5,
    "momentum": 0.6,
    "rmsprop_momentum": 0.5,
    "rmsprop_decay": 0.85,
}


def sgd():
    return START - RATE * np.cumsum(GRADIENTS)


def momentum():
    weight, velocity = START, 0.0
    for gradient in GRADIENTS:
        velocity = 0.6 * velocity + gradient
        weight -= RATE * velocity
        yield weight


def rmsprop():
    weight, square, velocity = START, 1.0, 0.0
    for gradient in GRADIENTS:
        square = 0.85 * square + 0.15 * gradient**2
        velocity = 0.5 * velocity + RATE * gradient / np.sqrt(square + 0.01)
        weight -= velocity
        yield weight


def adam():
    weight, first, second = START, 0.0, 0.0
    for step, gradient in enumerate(GRADIENTS, start=1):
        first = 0.7 * first + 0.3 * gradient
        second = 0.95 * second + 0.05 * gradient**2
        weight -= RATE * np.sqrt(1 - 0.95**step) / (1 - 0.7**step) * first / (np.sqrt(second) + 0.01)
        yield weight


def adagrad():
    weight, square = START, 0.3
    for gradient in GRADIENTS:
        square += gradient**2
        weight -= RATE * gradient / np.sqrt(square)
        yield weight


def adadelta():
    weight, square, updates = START, 0.0, 0.0
    for gradient in GRADIENTS:
        square = 0.8 * square + 0.2 * gradient**2
        update = np.sqrt(updates + 0.01) / np.sqrt(square + 0.01) * gradient
        updates = 0.8 * updates + 0.2 * update**2
        weight -= RATE * update
        yield weight


def ftrl():
    weight, square, linear = START, 0.2, 0.0
    for gradient in GRADIENTS:
        grown = square + gradient**2
        linear += gradient - (np.sqrt(grown) - np.sqrt(square)) / RATE * weight
        square = grown
        weight = (np.sign(linear) * 0.05 - linear) / (np.sqrt(square) / RATE + 2 * 0.02) if abs(linear) > 0.05 else 0.0
        yield weight


FORMULAS = {
    "adadelta": adadelta,
    "adagrad": adagrad,
    "adam": adam,
    "ftrl": ftrl,
    "momentum": momentum,
    "rmsprop": rmsprop,
    "sgd": sgd,
}


def test_every_optimizer_has_a_formula():
    assert sorted(FORMULAS) == sorted(OPTIMIZERS)


@pytest.mark.parametrize("name", sorted(FORMULAS))
def test_updates_follow_the_formula_with_the_flags_values_and_slots_are_counted(name):
    config = TrainConfig(optimizer=name, **VALUES)
    with tf.Graph().as_default(), tf.Session() as session:
        weight = tf.get_variable("weight", initializer=np.full([3], START, np.float32))
        gradient = tf.placeholder(tf.float32, [])
        optimizer = optimizers.optimizer(config, tf.constant(RATE))
        update = optimizer.apply_gradients([(tf.fill([3], gradient), weight)])
        slots = [variable for variable in tf.global_variables() if variable.shape == weight.shape]
        assert len(slots) - 1 == optimizers.num_slots(config)
        session.run(tf.global_variables_initializer())
        weights = []
        for value in GRADIENTS:
            session.run(update, {gradient: value})
            weights.append(session.run(weight)[0])
    np.testing.assert_allclose(weights, list(FORMULAS[name]()), rtol=1e-5)


def test_a_warm_up_is_a_line_from_0_under_which_the_decay_goes_on():
    """1000 records in batches of 32 are 31.25 steps an epoch, not rounded in the warm-up, as in slim."""
    fixed = TrainConfig(learning_rate_decay_type="fixed", learning_rate=0.3, warmup_epochs=4)
    assert rates(fixed, 1000, [0, 1, 50, 124, 125, 126, 9999]) == pytest.approx(
        [0, 0.3 / 125, 0.12, 0.3 * 124 / 125, 0.3, 0.3, 0.3]
    )
    falling = TrainConfig(learning_rate=0.01, warmup_epochs=4)
    assert rates(falling, 1000, [0, 62, 118, 124, 620]) == pytest.approx(
        [0, 0.01 * 62 / 125, 0.0094, 0.01 * 0.94**2, 0.01 * 0.94**10]
    )


def test_a_synchronous_warm_up_counts_the_batches_that_a_step_aggregates():
    config = TrainConfig(
        learning_rate_decay_type="fixed", batch_size=10, warmup_epochs=0.5, sync_replicas=True, replicas_to_aggregate=5
    )
    assert rates(config, 1000, [0, 5, 10, 20]) == pytest.approx([0, 0.005, 0.01, 0.01])


def trained(name, rate, scales):
    """Variables after three equal gradients each, of rows alone for c and d, and the names of all variables."""
    config = TrainConfig(optimizer=name, **VALUES)
    with tf.Graph().as_default(), tf.Session() as session:
        weights = [
            tf.get_variable(f"net/{w}", initializer=np.full([2], START, np.float32), use_resource=True) for w in "abcd"
        ]
        gradient = tf.placeholder(tf.float32, [])
        whole = tf.fill([2], gradient)
        rows = tf.IndexedSlices(tf.fill([3], gradient / 2), tf.constant([1, 0, 1]), tf.constant([2]))
        optimizer = optimizers.scale_rates(optimizers.optimizer(config, tf.constant(rate)), scales)
        update = optimizer.apply_gradients(zip((whole, whole, rows, rows), weights, strict=True))
        session.run(tf.global_variables_initializer())
        for value in GRADIENTS:
            session.run(update, {gradient: value})
        return *session.run(weights), sorted(variable.op.name for variable in tf.global_variables())


@pytest.mark.parametrize("name", sorted(FORMULAS))
def test_a_scaled_learning_rate_is_that_of_a_run_with_the_smaller_rate_under_every_optimizer(name):
    *scaled, names = trained(name, RATE, {"net/b": 0.25, "net/d": 0.25})
    *plain, plain_names = trained(name, RATE, {})
    *slower, _ = trained(name, np.float32(RATE) * np.float32(0.25), {})
    np.testing.assert_array_equal(scaled[::2], plain[::2])
    np.testing.assert_array_equal(scaled[1::2], slower[1::2])
    assert (np.abs(np.subtract(scaled, plain)[1::2]).max(axis=1) > 0.01).all()  # a scaled gradient would not show
    assert names == plain_names  # a checkpoint goes with or without scales


@pytest.mark.parametrize("name", ["adam", "ftrl"])
def test_a_factor_of_0_leaves_a_variable_where_it_is(name):
    *weights, _ = trained(name, RATE, {"net/b": 0.0, "net/d": 0.0})
    np.testing.assert_array_equal(weights[1::2], np.full([2, 2], START))
    assert (np.array(weights[::2]) != START).all()


def test_the_longest_scope_wins_and_a_scope_ends_at_a_slash():
    names = ["Net/Logits/weights", "Net/Logits2/weights", "Net/Conv/weights", "Other/weights"]
    scales = {"Net/Logits": 1.0, "Net": 0.1, "Other/weights": 0.0}
    assert scopes.rate_scales(scales, names) == {
        "Net/Logits/weights": 1.0,
        "Net/Logits2/weights": 0.1,
        "Net/Conv/weights": 0.1,
        "Other/weights": 0.0,
    }
    assert scopes.rate_scales({}, names) == {}


def test_a_scope_that_matches_nothing_is_refused_with_the_nearest_name():
    with pytest.raises(UsageError, match=r"has 'Net/Logit', which matches none of the 1 .* did you mean 'Net/Logits'"):
        scopes.rate_scales({"Net/Logit": 1.0}, ["Net/Logits/weights"])


@pytest.mark.parametrize(("norm", "factor"), [(None, 1.0), (5.0, 1.0), (2.5, 0.5), (0.05, 0.01)])
def test_gradients_are_clipped_by_their_norm_together(norm, factor):
    with tf.Graph().as_default(), tf.Session() as session:
        pairs = optimizers.clipped([(tf.constant([3.0, 0.0]), "a"), (tf.constant([4.0]), "b")], norm)
        assert [variable for _, variable in pairs] == ["a", "b"]
        first, second = session.run([gradient for gradient, _ in pairs])
    np.testing.assert_allclose([*first, *second], [3 * factor, 0, 4 * factor], rtol=1e-6)
