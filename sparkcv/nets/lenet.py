"""LeNet, the small net of slim's MNIST examples: two convolutions and one hidden layer."""

from typing import Any

from sparkcv.nets.options import Options
from sparkcv.nets.slim import slim, tf

__all__ = ["build"]

_KEEP_PROBABILITY = 0.5


def build(images: Any, options: Options) -> tuple[Any, dict[str, Any]]:
    """Add LeNet under slim's variable names (``LeNet/conv1`` ... ``LeNet/fc4``); see ``nets.Net.build``.

    The extent of ``fc3`` follows from the picture size, so a checkpoint fits one size.
    """
    layers = {
        "weights_regularizer": slim.l2_regularizer(options.weight_decay),
        "weights_initializer": tf.truncated_normal_initializer(stddev=0.1),
        "activation_fn": tf.nn.relu,
    }
    points: dict[str, Any] = {}
    with (
        tf.variable_scope("LeNet", reuse=options.reuse),
        slim.arg_scope([slim.conv2d, slim.fully_connected], **layers),
    ):
        net = points["conv1"] = slim.conv2d(images, 32, [5, 5], scope="conv1")
        net = points["pool1"] = slim.max_pool2d(net, [2, 2], 2, scope="pool1")
        net = points["conv2"] = slim.conv2d(net, 64, [5, 5], scope="conv2")
        net = points["pool2"] = slim.max_pool2d(net, [2, 2], 2, scope="pool2")
        net = points["Flatten"] = slim.flatten(net)
        net = points["fc3"] = slim.fully_connected(net, 1024, scope="fc3")
        if options.num_classes is None:
            return net, points
        net = slim.dropout(net, _KEEP_PROBABILITY, is_training=options.is_training, scope="dropout3")
        points["dropout3"] = net
        logits = points["Logits"] = slim.fully_connected(net, options.num_classes, activation_fn=None, scope="fc4")
    points["Predictions"] = slim.softmax(logits, scope="Predictions")
    return logits, points
