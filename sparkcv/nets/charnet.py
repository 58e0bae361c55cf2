"""The net of the tutorials on the HWDB characters: three convolutions and one hidden layer, of grey pictures."""

from typing import Any

from sparkcv.nets.options import Options
from sparkcv.nets.slim import slim, tf

__all__ = ["build"]

_KEEP_PROBABILITY = 0.8


def build(images: Any, options: Options) -> tuple[Any, dict[str, Any]]:
    """Add the net under the variable names ``CharNet/conv1`` ... ``CharNet/fc2``; see ``nets.Net.build``.

    Convolutions of 3x3 with 64, 128 and 256 filters, each halved by a pool of 2x2, then 1,024 units of tanh between two
    dropouts. The extent of ``fc1`` follows from the picture size, so a checkpoint fits one size.
    """
    layers = {"weights_regularizer": slim.l2_regularizer(options.weight_decay)}
    points: dict[str, Any] = {}

    def keep(tensor: Any, end_point: str) -> Any:
        points[end_point] = tensor
        return tensor

    with (
        tf.variable_scope("CharNet", reuse=options.reuse),
        slim.arg_scope([slim.conv2d, slim.fully_connected], **layers),
        slim.arg_scope([slim.max_pool2d], padding="SAME"),
        slim.arg_scope([slim.dropout], keep_prob=_KEEP_PROBABILITY, is_training=options.is_training),
    ):
        net = images
        for number, depth in enumerate((64, 128, 256), start=1):
            net = keep(slim.conv2d(net, depth, [3, 3], scope=f"conv{number}"), f"conv{number}")
            net = keep(slim.max_pool2d(net, [2, 2], 2, scope=f"pool{number}"), f"pool{number}")
        net = keep(slim.flatten(net), "Flatten")
        net = keep(slim.dropout(net, scope="dropout1"), "dropout1")
        net = keep(slim.fully_connected(net, 1024, activation_fn=tf.nn.tanh, scope="fc1"), "fc1")
        if options.num_classes is None:
            return net, points
        net = keep(slim.dropout(net, scope="dropout2"), "dropout2")
        logits = slim.fully_connected(net, options.num_classes, activation_fn=None, scope="fc2")
        keep(logits, "Logits")
    keep(slim.softmax(logits, scope="Predictions"), "Predictions")
    return logits, points
