"""AlexNet as the tutorial on 17 flowers has it: whole pictures, wide layers, batch norm, and responses normalised."""

from typing import Any

from sparkcv.nets.options import Options
from sparkcv.nets.slim import slim, tf

__all__ = ["build"]

_KEEP_PROBABILITY = 0.5
_HIDDEN = 4096
# Filters, kernel, stride, and whether a pool follows.
_LAYERS = ((96, 11, 4, True), (256, 5, 1, True), (384, 3, 1, False), (384, 3, 1, False), (256, 3, 1, True))


def build(images: Any, options: Options) -> tuple[Any, dict[str, Any]]:
    """Add AlexNet (Krizhevsky et al. 2012) under ``AlexnetFlowers/conv1`` ... ``fc8``; see ``nets.Net.build``.

    Its pads are of zeros (SAME), so it takes pictures of any size; the extent of ``fc6`` follows from it, so a
    checkpoint fits one size.
    """
    points: dict[str, Any] = {}
    with tf.variable_scope("AlexnetFlowers", reuse=options.reuse), slim.arg_scope(_arg_scope(options)):
        net = images
        for number, (filters, kernel, stride, has_pool) in enumerate(_LAYERS, 1):
            scope = f"conv{number}"
            net = points[scope] = slim.conv2d(net, filters, [kernel, kernel], stride, scope=scope)
            if has_pool:
                net = slim.max_pool2d(net, [3, 3], 2, padding="SAME", scope=f"pool{number}")
                points[f"pool{number}"] = net
                net = tf.nn.lrn(net, depth_radius=5, bias=1.0, alpha=1e-4, beta=0.75, name=f"norm{number}")
        net = points["Flatten"] = slim.flatten(net)
        net = points["fc6"] = slim.fully_connected(net, _HIDDEN, scope="fc6")
        net = slim.dropout(net, _KEEP_PROBABILITY, is_training=options.is_training, scope="dropout6")
        net = points["fc7"] = slim.fully_connected(net, _HIDDEN, scope="fc7")
        if options.num_classes is None:
            return net, points
        net = slim.dropout(net, _KEEP_PROBABILITY, is_training=options.is_training, scope="dropout7")
        logits = points["Logits"] = slim.fully_connected(net, options.num_classes, activation_fn=None, scope="fc8")
        points["Predictions"] = slim.softmax(logits, scope="Predictions")
    return logits, points


def _arg_scope(options: Options) -> Any:
    norm = {"decay": options.batch_norm.decay, "epsilon": options.batch_norm.epsilon, "scale": True}
    decay = {"weights_regularizer": slim.l2_regularizer(options.weight_decay), "activation_fn": tf.nn.relu}
    narrow = tf.truncated_normal_initializer(stddev=0.02)
    with (
        slim.arg_scope([slim.batch_norm], is_training=options.is_training, **norm),
        slim.arg_scope([slim.conv2d], normalizer_fn=slim.batch_norm, **decay),
        slim.arg_scope([slim.fully_connected], weights_initializer=narrow, **decay) as scope,
    ):
        return scope
