"""LeNet, the small net of slim's MNIST examples: two convolutions and one hidden layer."""

from typing import Any

from sparkcv.nets.slim import slim, tf

__all__ = ["build"]

_KEEP_PROBABILITY = 0.5


def build(
    name: str,
    images: Any,
    num_classes: int,
    *,
    is_training: bool,
    weight_decay: float,
    batch_norm_decay: float | None,
    reuse: bool | None,
) -> tuple[Any, dict[str, Any]]:
    """Add LeNet under slim's variable names (``LeNet/conv1`` ... ``LeNet/fc4``); see ``nets.Net.build``.

    The extent of ``fc3`` follows from the picture size, so a checkpoint fits one size.
    """
    del name, batch_norm_decay  # One variant, no batch normalisation.
    layers = {
        "weights_regularizer": slim.l2_regularizer(weight_decay),
        "weights_initializer": tf.truncated_normal_initializer(stddev=0.1),
        "activation_fn": tf.nn.relu,
    }
    points: dict[str, Any] = {}
    with (
        tf.variable_scope("LeNet", reuse=reuse),
        slim.arg_scope([slim.conv2d, slim.fully_connected], **layers),
    ):
        points["conv1"] = slim.conv2d(images, 32, [5, 5], scope="conv1")
        points["pool1"] = slim.max_pool2d(points["conv1"], [2, 2], 2, scope="pool1")
        points["conv2"] = slim.conv2d(points["pool1"], 64, [5, 5], scope="conv2")
        points["pool2"] = slim.max_pool2d(points["conv2"], [2, 2], 2, scope="pool2")
        points["Flatten"] = slim.flatten(points["pool2"])
        points["fc3"] = slim.fully_connected(points["Flatten"], 1024, scope="fc3")
        points["dropout3"] = slim.dropout(points["fc3"], _KEEP_PROBABILITY, is_training=is_training, scope="dropout3")
        logits = slim.fully_connected(points["dropout3"], num_classes, activation_fn=None, scope="fc4")
    points["Logits"] = logits
    points["Predictions"] = slim.softmax(logits, scope="Predictions")
    return logits, points
