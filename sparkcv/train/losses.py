"""The losses that slim trains a classifier with: softmax cross entropy of the main and of the auxiliary logits."""

from typing import Any

import tensorflow.compat.v1 as tf

__all__ = ["AUX_WEIGHT", "softmax_losses"]

AUX_WEIGHT = 0.4


def softmax_losses(
    logits: Any, end_points: dict[str, Any], labels: Any, num_classes: int, label_smoothing: float
) -> list[Any]:
    """Return the scalar float32 losses of one tower, to be added up: the auxiliary one if there is one, then the main.

    ``logits`` are float32 ``[batch, num_classes]``, ``labels`` int64 ``[batch]`` in ``[0, num_classes)``. Each loss
    is the batch's mean, times 0.4 for ``end_points["AuxLogits"]``; smoothing moves ``label_smoothing`` of each
    label's weight to all classes equally (https://arxiv.org/abs/1512.00567, section 7). They are also added to
    ``LOSSES``.

    A label out of range is an all-zero row of the one-hot matrix: its loss would be 0.0 and nobody would know. The
    graph fails with InvalidArgumentError instead, and the message holds the labels.
    """
    one_hot = tf.one_hot(_checked(labels, num_classes), num_classes, dtype=tf.float32)
    losses = []
    if "AuxLogits" in end_points:
        losses.append(
            tf.losses.softmax_cross_entropy(
                one_hot,
                end_points["AuxLogits"],
                weights=AUX_WEIGHT,
                label_smoothing=label_smoothing,
                scope="aux_loss",
            )
        )
    losses.append(tf.losses.softmax_cross_entropy(one_hot, logits, weights=1.0, label_smoothing=label_smoothing))
    return losses


def _checked(labels: Any, num_classes: int) -> Any:
    in_range = tf.reduce_all((labels >= 0) & (labels < num_classes))
    message = f"a label is out of range, wanted 0 to {num_classes - 1} after labels_offset; the batch's labels:"
    check = tf.Assert(in_range, [message, labels], summarize=1024, name="labels_in_range")
    with tf.control_dependencies([check]):
        return tf.identity(labels)
