"""The losses of a classifier, of main and auxiliary logits: softmax cross entropy as slim has it, and focal loss."""

from collections.abc import Sequence
from typing import Any

import tensorflow.compat.v1 as tf

from sparkcv.config import TrainConfig
from sparkcv.config.number_lists import parse_weights

__all__ = ["AUX_WEIGHT", "classifier_losses", "focal_cross_entropy", "focal_losses", "softmax_losses"]

AUX_WEIGHT = 0.4


def classifier_losses(
    config: TrainConfig, logits: Any, end_points: dict[str, Any], labels: Any, num_classes: int
) -> list[Any]:
    """Return the losses that the flags ask for; see :func:`softmax_losses` for what goes in and comes out.

    Raise UsageError for ``--class_weights`` that are not one number a class of the net.
    """
    weights = parse_weights(config.class_weights, num_classes)
    if config.loss == "focal":
        return focal_losses(
            logits,
            end_points,
            labels,
            num_classes,
            alpha=config.focal_alpha,
            gamma=config.focal_gamma,
            label_smoothing=config.label_smoothing,
            class_weights=weights,
        )
    return softmax_losses(logits, end_points, labels, num_classes, config.label_smoothing, weights)


def softmax_losses(
    logits: Any,
    end_points: dict[str, Any],
    labels: Any,
    num_classes: int,
    label_smoothing: float,
    class_weights: Sequence[float] | None = None,
) -> list[Any]:
    """Return the scalar float32 losses of one tower, to be added up: the auxiliary one if there is one, then the main.

    ``logits`` are float32 ``[batch, num_classes]``, ``labels`` int64 ``[batch]`` in ``[0, num_classes)``. Each loss
    is the batch's mean, times 0.4 for ``end_points["AuxLogits"]``; smoothing moves ``label_smoothing`` of each
    label's weight to all classes equally (https://arxiv.org/abs/1512.00567, section 7). They are also added to
    ``LOSSES``. ``class_weights`` multiply the loss of each example of a class; the mean is still over the examples,
    less those of weight 0.

    A label out of range is an all-zero row of the one-hot matrix: its loss would be 0.0 and nobody would know. The
    graph fails with InvalidArgumentError instead, and the message holds the labels.
    """
    labels = _checked(labels, num_classes)
    one_hot = tf.one_hot(labels, num_classes, dtype=tf.float32)
    of_examples = _of_examples(class_weights, labels)
    losses = []
    if "AuxLogits" in end_points:
        losses.append(
            tf.losses.softmax_cross_entropy(
                one_hot,
                end_points["AuxLogits"],
                weights=AUX_WEIGHT * of_examples,
                label_smoothing=label_smoothing,
                scope="aux_loss",
            )
        )
    losses.append(
        tf.losses.softmax_cross_entropy(one_hot, logits, weights=of_examples, label_smoothing=label_smoothing)
    )
    return losses


def focal_losses(
    logits: Any,
    end_points: dict[str, Any],
    labels: Any,
    num_classes: int,
    *,
    alpha: float,
    gamma: float,
    label_smoothing: float = 0.0,
    class_weights: Sequence[float] | None = None,
) -> list[Any]:
    """Return what :func:`softmax_losses` does, with the focal loss of each example in place of its cross entropy."""
    labels = _checked(labels, num_classes)
    targets = tf.one_hot(labels, num_classes, dtype=tf.float32)
    if label_smoothing:
        targets = targets * (1.0 - label_smoothing) + label_smoothing / num_classes
    of_examples = _of_examples(class_weights, labels)
    heads = [(end_points["AuxLogits"], AUX_WEIGHT, "aux_loss")] if "AuxLogits" in end_points else []
    losses = []
    for head, weight, scope in [*heads, (logits, 1.0, "focal_loss")]:
        with tf.name_scope(scope):
            each = focal_cross_entropy(targets, head, alpha=alpha, gamma=gamma)
            losses.append(tf.losses.compute_weighted_loss(each, weights=weight * of_examples))
    return losses


def focal_cross_entropy(targets: Any, logits: Any, *, alpha: float, gamma: float) -> Any:
    """Return float32 ``[batch]``: the sum over the classes of ``alpha * target * (1 - p) ** gamma * -log(p)``.

    ``p`` is the softmax of ``logits``, ``targets`` and ``logits`` are float32 ``[batch, num_classes]``; with a one-hot
    target it is the focal loss of Lin et al. 2017 (https://arxiv.org/abs/1708.02002) for a softmax, where ``alpha``
    is one factor for all classes. ``gamma`` 0 and ``alpha`` 1 give the cross entropy.

    Value and gradient are finite for logits of +-100 and more and any ``gamma``: ``1 - p`` is never computed by
    subtraction, which gives 0, and a power of it an infinite slope, for a class that is all but certain.
    """
    log_p = tf.nn.log_softmax(logits)
    return alpha * tf.reduce_sum(targets * tf.exp(gamma * _log_of_others(log_p)) * -log_p, axis=-1)


def _log_of_others(log_p: Any) -> Any:
    """Return ``log(1 - p)`` of each class from ``log(p)``, exact also where p is 1 but for rounding.

    Only the most likely class can be near 1: its 1 - p is the sum of the others'. The others have p <= 1/2.
    """
    is_largest = tf.one_hot(tf.argmax(log_p, axis=-1), tf.shape(log_p)[-1], on_value=True, off_value=False)
    nothing = tf.fill(tf.shape(log_p), -1e9)
    of_largest = tf.reduce_logsumexp(tf.where(is_largest, nothing, log_p), axis=-1, keepdims=True)
    # The branch that tf.where does not take must have a finite slope as well, or its product with 0 is NaN.
    of_others = tf.math.log1p(-tf.exp(tf.where(is_largest, nothing, log_p)))
    return tf.where(is_largest, of_largest + tf.zeros_like(log_p), of_others)


def _of_examples(class_weights: Sequence[float] | None, labels: Any) -> Any:
    """Return the weight of each example, float32 ``[batch]``; 1.0 without weights, as slim has it."""
    if class_weights is None:
        return 1.0
    return tf.gather(tf.constant(class_weights, tf.float32, name="class_weights"), labels)


def _checked(labels: Any, num_classes: int) -> Any:
    in_range = tf.reduce_all((labels >= 0) & (labels < num_classes))
    message = f"a label is out of range, wanted 0 to {num_classes - 1} after labels_offset; the batch's labels:"
    check = tf.Assert(in_range, [message, labels], summarize=1024, name="labels_in_range")
    with tf.control_dependencies([check]):
        return tf.identity(labels)
