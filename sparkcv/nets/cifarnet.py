"""CifarNet, the small net of slim's CIFAR-10 examples: two convolutions and two hidden layers."""

from typing import Any

from sparkcv.nets.options import Options
from sparkcv.nets.slim import slim, tf

__all__ = ["build"]

_KEEP_PROBABILITY = 0.5


def build(images: Any, options: Options) -> tuple[Any, dict[str, Any]]:
    """Add CifarNet under slim's variable names (``CifarNet/conv1`` ... ``CifarNet/logits``); see ``nets.Net.build``.

    Weight decay applies to the hidden fully connected layers only, as in slim. The extent of ``fc3`` follows from the
    picture size, so a checkpoint fits one size.
    """
    end_points: dict[str, Any] = {}

    def keep(tensor: Any, end_point: str) -> Any:
        end_points[end_point] = tensor
        return tensor

    def respond(tensor: Any, norm: str) -> Any:
        """Add local response normalisation over 9 neighbouring channels."""
        return tf.nn.lrn(tensor, depth_radius=4, bias=1.0, alpha=0.001 / 9.0, beta=0.75, name=norm)

    with tf.variable_scope("CifarNet", reuse=options.reuse), slim.arg_scope(_arg_scope(options.weight_decay)):
        net = keep(slim.conv2d(images, 64, [5, 5], scope="conv1"), "conv1")
        net = respond(keep(slim.max_pool2d(net, [2, 2], 2, scope="pool1"), "pool1"), "norm1")
        net = respond(keep(slim.conv2d(net, 64, [5, 5], scope="conv2"), "conv2"), "norm2")
        net = keep(slim.max_pool2d(net, [2, 2], 2, scope="pool2"), "pool2")
        net = keep(slim.flatten(net), "Flatten")
        net = keep(slim.fully_connected(net, 384, scope="fc3"), "fc3")
        net = slim.dropout(net, _KEEP_PROBABILITY, is_training=options.is_training, scope="dropout3")
        net = keep(slim.fully_connected(net, 192, scope="fc4"), "fc4")
        if options.num_classes is None:
            return net, end_points
        logits = slim.fully_connected(
            net,
            options.num_classes,
            activation_fn=None,
            weights_initializer=tf.truncated_normal_initializer(stddev=1 / 192.0),
            weights_regularizer=None,
            biases_initializer=tf.zeros_initializer(),
            scope="logits",
        )
        keep(logits, "Logits")
        keep(slim.softmax(logits, scope="Predictions"), "Predictions")
    return logits, end_points


def _arg_scope(weight_decay: float) -> Any:
    convolution = {"weights_initializer": tf.truncated_normal_initializer(stddev=0.05), "activation_fn": tf.nn.relu}
    hidden = {
        "weights_initializer": tf.truncated_normal_initializer(stddev=0.04),
        "weights_regularizer": slim.l2_regularizer(weight_decay),
        "biases_initializer": tf.constant_initializer(0.1),
        "activation_fn": tf.nn.relu,
    }
    with slim.arg_scope([slim.conv2d], **convolution), slim.arg_scope([slim.fully_connected], **hidden) as scope:
        return scope
