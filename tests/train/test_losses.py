"""The losses are slim's: values against NumPy, the auxiliary head's weight, and labels out of range."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from sparkcv.train.losses import AUX_WEIGHT, softmax_losses

pytestmark = pytest.mark.tensorflow

LOGITS = np.array([[2.0, -1.0, 0.5], [0.0, 0.0, 0.0], [-3.0, 4.0, 1.0], [1.0, 1.0, -5.0]], np.float32)
AUX = LOGITS[::-1] * 0.5
LABELS = np.array([0, 2, 1, 1], np.int64)


def losses(end_points, labels=LABELS, smoothing=0.0):
    with tf.Graph().as_default(), tf.Session() as session:
        points = {name: tf.constant(value) for name, value in end_points.items()}
        built = softmax_losses(tf.constant(LOGITS), points, tf.constant(labels), 3, smoothing)
        assert built == tf.get_collection(tf.GraphKeys.LOSSES)
        return session.run(built)


def cross_entropy(logits, labels, smoothing):
    log_probabilities = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    targets = np.eye(3)[labels] * (1 - smoothing) + smoothing / 3
    return -(targets * log_probabilities).sum(axis=1).mean()


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.6])
def test_the_loss_is_the_batchs_mean_cross_entropy_with_smoothed_labels(smoothing):
    (loss,) = losses({}, smoothing=smoothing)
    assert loss == pytest.approx(cross_entropy(LOGITS, LABELS, smoothing), rel=1e-5)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_auxiliary_logits_count_four_tenths_with_the_same_smoothing(smoothing):
    aux, main = losses({"AuxLogits": AUX, "Logits": LOGITS}, smoothing=smoothing)
    assert AUX_WEIGHT == 0.4
    assert aux == pytest.approx(0.4 * cross_entropy(AUX, LABELS, smoothing), rel=1e-5)
    assert main == pytest.approx(cross_entropy(LOGITS, LABELS, smoothing), rel=1e-5)


@pytest.mark.parametrize("bad", [3, -1, 2**40])
def test_a_label_out_of_range_fails_instead_of_costing_nothing(bad):
    labels = np.array([0, bad, 1, 1], np.int64)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"out of range, wanted 0 to 2 after labels_offset.*1 1\]"):
        losses({}, labels=labels)
