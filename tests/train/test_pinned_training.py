"""Optimizers, decays and moving averages give the numbers that TF-Slim's own functions gave for the same tiny net.

``bench/fidelity_slim.py --slim DIR --pins`` makes them again; without ``--pins`` it compares whole training runs.
"""

import pytest

from sparkcv.config.train import OPTIMIZERS
from sparkcv.train import optimizers
from tests.train import pinned_training

pytestmark = pytest.mark.tensorflow

# The loss after 5 steps, a weight, and its moving average.
PINS = {
    ("adadelta", "fixed"): (0.9126825, 0.1674975, 0.2000343),
    ("adadelta", "exponential"): (0.9103745, 0.1900640, 0.1818327),
    ("adadelta", "polynomial"): (0.9434324, 0.1692900, 0.1659289),
    ("adagrad", "fixed"): (0.7843012, 0.2494452, 0.0911970),
    ("adagrad", "exponential"): (0.8208135, 0.2349263, 0.2151209),
    ("adagrad", "polynomial"): (0.8688627, 0.2229078, 0.2209798),
    ("adam", "fixed"): (0.9900529, 0.1452538, 0.1466813),
    ("adam", "exponential"): (0.9961345, 0.1469174, 0.1474650),
    ("adam", "polynomial"): (1.0013403, 0.1483346, 0.1485380),
    ("ftrl", "fixed"): (0.7774590, 0.1139131, -0.0498267),
    ("ftrl", "exponential"): (0.9312907, 0.0353941, 0.0222131),
    ("ftrl", "polynomial"): (0.9501128, 0.0079465, 0.0187368),
    ("momentum", "fixed"): (0.7650816, 0.2995443, 0.2573114),
    ("momentum", "exponential"): (0.8383812, 0.2666391, 0.2412492),
    ("momentum", "polynomial"): (0.9126427, 0.1935976, 0.1702271),
    ("rmsprop", "fixed"): (0.7907310, 0.2784540, 0.2479246),
    ("rmsprop", "exponential"): (0.8378295, 0.2940367, 0.2260152),
    ("rmsprop", "polynomial"): (0.9255214, 0.1850553, 0.1569940),
    ("sgd", "fixed"): (0.9128295, 0.1674289, 0.2000773),
    ("sgd", "exponential"): (0.9103470, 0.1900924, 0.1818553),
    ("sgd", "polynomial"): (0.9434130, 0.1693145, 0.1659549),
}


def rule(config, num_records, global_step):
    rate = optimizers.learning_rate(config, num_records, global_step)
    return rate, optimizers.optimizer(config, rate)


def test_every_optimizer_and_every_decay_of_slim_is_pinned():
    assert {name for name, _ in PINS} == set(OPTIMIZERS)
    assert {decay for _, decay in PINS} == set(pinned_training.SLIM_DECAYS)
    assert len(PINS) == len(OPTIMIZERS) * 3


@pytest.mark.parametrize(("optimizer", "decay"), PINS)
def test_five_steps_give_the_references_numbers(optimizer, decay):
    got = pinned_training.trained(rule, optimizer, decay)
    assert got == pytest.approx(PINS[optimizer, decay], rel=1e-5, abs=1e-6)
