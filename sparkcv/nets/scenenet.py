"""A small net for small pictures that learns from nothing within minutes: places are kept, features are even.

It is the encoder of drawn scenes: other nets here average over the picture before the last layer, so that what is left
of what is lost, or end in features of one sign, from which captions learn slowly.
"""

from typing import Any

from sparkcv.nets.options import Options
from sparkcv.nets.slim import slim, tf

__all__ = ["build"]

_LAYERS = ((16, 1), (32, 2), (64, 2), (96, 2), (96, 2))  # filters, stride
_FEATURES = 256


def build(images: Any, options: Options) -> tuple[Any, dict[str, Any]]:
    """Add the net under ``SceneNet/conv1`` ... ``logits``; see ``nets.Net.build``.

    Five convolutions of 3x3, four of them with a stride of 2, batch norm and ReLU behind each; then 256 features, batch
    norm behind them and no ReLU. The extent of ``fc6`` follows from the picture size, so a checkpoint fits one size.
    """
    points: dict[str, Any] = {}
    with tf.variable_scope("SceneNet", reuse=options.reuse), slim.arg_scope(_arg_scope(options)):
        net = images
        for number, (filters, stride) in enumerate(_LAYERS, start=1):
            scope = f"conv{number}"
            net = points[scope] = slim.conv2d(net, filters, [3, 3], stride, scope=scope)
        net = points["Flatten"] = slim.flatten(net)
        net = slim.fully_connected(net, _FEATURES, activation_fn=None, scope="fc6")
        net = points["fc6"] = slim.batch_norm(net[:, None, None, :], scope="fc6/BatchNorm")[:, 0, 0, :]
        if options.num_classes is None:
            return net, points
        logits = slim.fully_connected(tf.nn.relu(net), options.num_classes, activation_fn=None, scope="logits")
        points["Logits"] = logits
        points["Predictions"] = slim.softmax(logits, scope="Predictions")
    return logits, points


def _arg_scope(options: Options) -> Any:
    norm = {"decay": options.batch_norm.decay, "epsilon": options.batch_norm.epsilon, "scale": True}
    decay = {"weights_regularizer": slim.l2_regularizer(options.weight_decay)}
    with (
        slim.arg_scope([slim.batch_norm], is_training=options.is_training, **norm),
        slim.arg_scope([slim.conv2d], normalizer_fn=slim.batch_norm, activation_fn=tf.nn.relu, **decay),
        slim.arg_scope([slim.fully_connected], **decay) as scope,
    ):
        return scope
