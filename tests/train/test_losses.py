"""The losses are slim's: values against NumPy, the auxiliary head's weight, and labels out of range."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from sparkcv.config import TrainConfig
from sparkcv.errors import UsageError
from sparkcv.train import perceptual
from sparkcv.train.losses import AUX_WEIGHT, classifier_losses, focal_cross_entropy, softmax_losses

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


def of_flags(end_points=None, labels=LABELS, **flags):
    with tf.Graph().as_default(), tf.Session() as session:
        points = {name: tf.constant(value) for name, value in (end_points or {}).items()}
        built = classifier_losses(TrainConfig(**flags), tf.constant(LOGITS), points, tf.constant(labels), 3)
        assert built == tf.get_collection(tf.GraphKeys.LOSSES)
        return session.run(built)


def probabilities(logits):
    grown = np.exp(logits.astype(np.float64))
    return grown / grown.sum(axis=1, keepdims=True)


@pytest.mark.parametrize(("alpha", "gamma"), [(0.25, 2.0), (1.0, 0.0), (0.5, 0.7), (2.0, 5.0)])
def test_focal_loss_is_that_of_its_paper(alpha, gamma):
    p = probabilities(LOGITS)[range(4), LABELS]
    (loss,) = of_flags(loss="focal", focal_alpha=alpha, focal_gamma=gamma)
    assert loss == pytest.approx((alpha * (1 - p) ** gamma * -np.log(p)).mean(), rel=1e-5)


def test_focal_loss_of_gamma_0_is_the_cross_entropy_with_smoothing_weights_and_auxiliary_head_alike():
    flags = {"label_smoothing": 0.1, "class_weights": "1,0.5,3"}
    focal = of_flags({"AuxLogits": AUX}, loss="focal", focal_alpha=1.0, focal_gamma=0.0, **flags)
    np.testing.assert_allclose(focal, of_flags({"AuxLogits": AUX}, **flags), rtol=1e-5)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("row", [[100.0, -100.0, 0.0], [-100.0, 100.0, 100.0], [1e4, 0.0, -1e4], [0.0, 0.0, 0.0]])
def test_focal_loss_and_its_gradient_are_finite_and_right_at_large_logits(row, gamma):
    """The reference is computed in 128 bits, where 1 - p of a class at logits of +-100 is not 0."""
    with tf.Graph().as_default(), tf.Session() as session:
        logits = tf.constant([row], tf.float32)
        loss = focal_cross_entropy(tf.constant([[1.0, 0.0, 0.0]]), logits, alpha=1.0, gamma=gamma)
        got, (slope,) = session.run([loss, tf.gradients(loss, logits)[0]])
    wide = np.array(row, np.longdouble)
    others = np.exp(wide[1:] - wide.max()).sum()
    total = others + np.exp(wide[0] - wide.max())
    log_p = wide[0] - wide.max() - np.log(total)
    assert np.isfinite(got).all()
    assert np.isfinite(slope).all()
    assert got[0] == pytest.approx(float((others / total) ** gamma * -log_p), rel=1e-4, abs=1e-30)
    assert slope.sum() == pytest.approx(0.0, abs=1e-4)  # a softmax does not change with what is added to all logits
    assert slope[0] <= 0  # the likelier the true class, the less the loss


def test_class_weights_multiply_the_loss_of_their_examples_and_a_class_of_weight_0_is_not_counted():
    each = np.array([cross_entropy(LOGITS[i : i + 1], LABELS[i : i + 1], 0) for i in range(4)])
    (loss,) = of_flags(class_weights="0.5,2,3")
    assert loss == pytest.approx((each * np.array([0.5, 2, 3])[LABELS]).mean(), rel=1e-5)
    (loss,) = of_flags(class_weights="0,1,2")
    assert loss == pytest.approx((each * np.array([0, 1, 2])[LABELS]).sum() / 3, rel=1e-5)
    aux, _ = of_flags({"AuxLogits": AUX}, class_weights="2,2,2")
    assert aux == pytest.approx(0.8 * cross_entropy(AUX, LABELS, 0), rel=1e-5)


@pytest.mark.parametrize(("text", "message"), [("1,2", "got 2 weights, wanted 3"), ("a file", "wanted numbers")])
def test_class_weights_that_are_not_one_number_a_class_are_refused(text, message):
    with pytest.raises(UsageError, match=message):
        of_flags(class_weights=text)


@pytest.mark.parametrize("bad", [3, -1])
def test_a_label_out_of_range_fails_under_focal_loss_and_class_weights_too(bad):
    labels = np.array([0, bad, 1, 1], np.int64)
    with pytest.raises(tf.errors.InvalidArgumentError, match="a label is out of range"):
        of_flags(labels=labels, loss="focal", class_weights="1,2,3")


def test_perceptual_loss_adds_up_features_and_styles_of_the_named_end_points():
    random = np.random.RandomState(0)
    got, wanted = ({name: random.normal(size=[2, 3, 4, 5]) for name in "ab"} for _ in range(2))
    style = {"b": random.normal(size=[1, 6, 2, 5])}  # one picture of other sides for the whole batch

    def gram(x):
        flat = x.reshape(len(x), -1, 5)
        return np.einsum("bnc,bnd->bcd", flat, flat) / (flat.shape[1] * 5)

    by_hand = 0.5 * ((got["a"] - wanted["a"]) ** 2).mean()
    by_hand += 3 * ((gram(got["b"]) - gram(style["b"])) ** 2).sum(axis=(1, 2)).mean()
    with tf.Graph().as_default(), tf.Session() as session:
        points = [{name: tf.constant(x, tf.float32) for name, x in them.items()} for them in (got, wanted, style)]
        loss = perceptual.perceptual_loss(
            points[0], points[1], features={"a": 0.5}, style={"b": 3.0}, style_wanted=points[2]
        )
        assert session.run(loss) == pytest.approx(by_hand, rel=1e-5)
        made, aim = tf.gradients(loss, [points[0]["a"], points[1]["a"]])
        np.testing.assert_allclose(session.run(made), (got["a"] - wanted["a"]) / 120, rtol=1e-4)
        assert aim is None  # what is wanted is not moved


def test_perceptual_loss_names_the_nearest_end_point():
    points = {"vgg_16/conv1/conv1_2": None}
    with pytest.raises(UsageError, match="no end point 'vgg_16/conv1/conv1_1', did you mean 'vgg_16/conv1/conv1_2'"):
        perceptual.perceptual_loss(points, points, features={"vgg_16/conv1/conv1_1": 1.0})
    with pytest.raises(UsageError, match="without any end point"):
        perceptual.perceptual_loss(points, points, features={})
