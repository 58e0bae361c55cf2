"""Inception v4 and Inception-ResNet v2, which tf_slim has not: from their paper, with slim's names."""

from collections.abc import Callable
from typing import Any

from sparkcv.nets import inception
from sparkcv.nets.branches import Branch, Layer, halve, mix, parallel, run
from sparkcv.nets.heads import window
from sparkcv.nets.options import Options
from sparkcv.nets.slim import slim, tf

__all__ = ["build"]

_KEEP_PROBABILITY = 0.8
_V4_STEM = (
    halve("Conv2d_1a_3x3", 32),
    Layer("Conv2d_2a_3x3", 32, padding="VALID"),
    Layer("Conv2d_2b_3x3", 64),
)
_V4_A: tuple[Branch, ...] = (
    (Layer("Conv2d_0a_1x1", 96),),
    (Layer("Conv2d_0a_1x1", 64), Layer("Conv2d_0b_3x3", 96)),
    (Layer("Conv2d_0a_1x1", 64), Layer("Conv2d_0b_3x3", 96), Layer("Conv2d_0c_3x3", 96)),
    (Layer("AvgPool_0a_3x3"), Layer("Conv2d_0b_1x1", 96)),
)
_V4_B: tuple[Branch, ...] = (
    (Layer("Conv2d_0a_1x1", 384),),
    (Layer("Conv2d_0a_1x1", 192), Layer("Conv2d_0b_1x7", 224), Layer("Conv2d_0c_7x1", 256)),
    (
        Layer("Conv2d_0a_1x1", 192),
        Layer("Conv2d_0b_7x1", 192),
        Layer("Conv2d_0c_1x7", 224),
        Layer("Conv2d_0d_7x1", 224),
        Layer("Conv2d_0e_1x7", 256),
    ),
    (Layer("AvgPool_0a_3x3"), Layer("Conv2d_0b_1x1", 128)),
)
_V4_C: tuple[Branch, ...] = (
    (Layer("Conv2d_0a_1x1", 256),),
    (Layer("Conv2d_0a_1x1", 384), (Layer("Conv2d_0b_1x3", 256), Layer("Conv2d_0c_3x1", 256))),
    (
        Layer("Conv2d_0a_1x1", 384),
        Layer("Conv2d_0b_3x1", 448),
        Layer("Conv2d_0c_1x3", 512),
        (Layer("Conv2d_0d_1x3", 256), Layer("Conv2d_0e_3x1", 256)),
    ),
    (Layer("AvgPool_0a_3x3"), Layer("Conv2d_0b_1x1", 256)),
)
_V4_BLOCKS: tuple[tuple[str, tuple[Branch, ...]], ...] = (
    ("Mixed_3a", ((halve("MaxPool_0a_3x3"),), (halve("Conv2d_0a_3x3", 96),))),
    (
        "Mixed_4a",
        (
            (Layer("Conv2d_0a_1x1", 64), Layer("Conv2d_1a_3x3", 96, padding="VALID")),
            (
                Layer("Conv2d_0a_1x1", 64),
                Layer("Conv2d_0b_1x7", 64),
                Layer("Conv2d_0c_7x1", 64),
                Layer("Conv2d_1a_3x3", 96, padding="VALID"),
            ),
        ),
    ),
    ("Mixed_5a", ((halve("Conv2d_1a_3x3", 192),), (halve("MaxPool_1a_3x3"),))),
    *((f"Mixed_5{letter}", _V4_A) for letter in "bcde"),
    (
        "Mixed_6a",
        (
            (halve("Conv2d_1a_3x3", 384),),
            (Layer("Conv2d_0a_1x1", 192), Layer("Conv2d_0b_3x3", 224), halve("Conv2d_1a_3x3", 256)),
            (halve("MaxPool_1a_3x3"),),
        ),
    ),
    *((f"Mixed_6{letter}", _V4_B) for letter in "bcdefgh"),
    (
        "Mixed_7a",
        (
            (Layer("Conv2d_0a_1x1", 192), halve("Conv2d_1a_3x3", 192)),
            (
                Layer("Conv2d_0a_1x1", 256),
                Layer("Conv2d_0b_1x7", 256),
                Layer("Conv2d_0c_7x1", 320),
                halve("Conv2d_1a_3x3", 320),
            ),
            (halve("MaxPool_1a_3x3"),),
        ),
    ),
    *((f"Mixed_7{letter}", _V4_C) for letter in "bcd"),
)

_RESNET_STEM = (
    halve("Conv2d_1a_3x3", 32),
    Layer("Conv2d_2a_3x3", 32, padding="VALID"),
    Layer("Conv2d_2b_3x3", 64),
    halve("MaxPool_3a_3x3"),
    Layer("Conv2d_3b_1x1", 80, padding="VALID"),
    Layer("Conv2d_4a_3x3", 192, padding="VALID"),
    halve("MaxPool_5a_3x3"),
)
_RESNET_5B: tuple[Branch, ...] = (
    (Layer("Conv2d_1x1", 96),),
    (Layer("Conv2d_0a_1x1", 48), Layer("Conv2d_0b_5x5", 64)),
    (Layer("Conv2d_0a_1x1", 64), Layer("Conv2d_0b_3x3", 96), Layer("Conv2d_0c_3x3", 96)),
    (Layer("AvgPool_0a_3x3"), Layer("Conv2d_0b_1x1", 64)),
)
_RESNET_6A: tuple[Branch, ...] = (
    (halve("Conv2d_1a_3x3", 384),),
    (Layer("Conv2d_0a_1x1", 256), Layer("Conv2d_0b_3x3", 256), halve("Conv2d_1a_3x3", 384)),
    (halve("MaxPool_1a_3x3"),),
)
_RESNET_7A: tuple[Branch, ...] = (
    (Layer("Conv2d_0a_1x1", 256), halve("Conv2d_1a_3x3", 384)),
    (Layer("Conv2d_0a_1x1", 256), halve("Conv2d_1a_3x3", 288)),
    (Layer("Conv2d_0a_1x1", 256), Layer("Conv2d_0b_3x3", 288), halve("Conv2d_1a_3x3", 320)),
    (halve("MaxPool_1a_3x3"),),
)
_BLOCK35: tuple[Branch, ...] = (
    (Layer("Conv2d_1x1", 32),),
    (Layer("Conv2d_0a_1x1", 32), Layer("Conv2d_0b_3x3", 32)),
    (Layer("Conv2d_0a_1x1", 32), Layer("Conv2d_0b_3x3", 48), Layer("Conv2d_0c_3x3", 64)),
)
_BLOCK17: tuple[Branch, ...] = (
    (Layer("Conv2d_1x1", 192),),
    (Layer("Conv2d_0a_1x1", 128), Layer("Conv2d_0b_1x7", 160), Layer("Conv2d_0c_7x1", 192)),
)
_BLOCK8: tuple[Branch, ...] = (
    (Layer("Conv2d_1x1", 192),),
    (Layer("Conv2d_0a_1x1", 192), Layer("Conv2d_0b_1x3", 224), Layer("Conv2d_0c_3x1", 256)),
)


def build(images: Any, options: Options) -> tuple[Any, dict[str, Any]]:
    """Add Inception v4 or Inception-ResNet v2 (https://arxiv.org/abs/1602.07261); see ``nets.Net.build``."""
    builders: dict[str, tuple[Callable[..., Any], Callable[..., Any], str]] = {
        "inception_v4": (_v4, inception.arg_scope, "InceptionV4"),
        "inception_resnet_v2": (_resnet_v2, _resnet_arg_scope, "InceptionResnetV2"),
    }
    builder, arg_scope, name = builders[options.name]
    with (
        slim.arg_scope(arg_scope(options)),
        tf.variable_scope(name, reuse=options.reuse) as scope,
        slim.arg_scope([slim.batch_norm, slim.dropout], is_training=options.is_training),
    ):
        points: dict[str, Any] = {}
        return builder(images, options, points, scope), points


def _v4(images: Any, options: Options, points: dict[str, Any], scope: Any) -> Any:
    net = images
    with tf.variable_scope(scope):  # once more, as in slim: its nodes are called InceptionV4/InceptionV4/...
        for layer in _V4_STEM:
            net = points[layer.scope] = run(net, (layer,))
        for block, branches in _V4_BLOCKS:
            net = points[block] = mix(net, block, branches)
    if options.num_classes is not None:
        with tf.variable_scope("AuxLogits"):
            aux = _aux_features(points["Mixed_6h"], "AvgPool_1a_5x5", "Conv2d_2a")
            points["AuxLogits"] = _classify(aux, options.num_classes, "Aux_logits")
    with tf.variable_scope("Logits"):
        net = points["global_pool"] = slim.avg_pool2d(net, net.shape[1:3], padding="VALID", scope="AvgPool_1a")
        if options.num_classes is None:
            return net
        net = slim.dropout(net, _KEEP_PROBABILITY, scope="Dropout_1b")
        net = points["PreLogitsFlatten"] = slim.flatten(net, scope="PreLogitsFlatten")
        return _predict(net, options.num_classes, points)


def _resnet_v2(images: Any, options: Options, points: dict[str, Any], scope: Any) -> Any:
    net = images
    with tf.variable_scope(scope):  # once more, as in slim
        for layer in _RESNET_STEM:
            net = points[layer.scope] = run(net, (layer,))
        net = points["Mixed_5b"] = mix(net, "Mixed_5b", _RESNET_5B)
        net = _repeat(net, 10, "Repeat/block35", _BLOCK35, scale=0.17)
        net = points["Mixed_6a"] = mix(net, "Mixed_6a", _RESNET_6A)
        net = points["PreAuxLogits"] = _repeat(net, 20, "Repeat_1/block17", _BLOCK17, scale=0.10)
        net = points["Mixed_7a"] = mix(net, "Mixed_7a", _RESNET_7A)
        net = _repeat(net, 9, "Repeat_2/block8", _BLOCK8, scale=0.20)
        with tf.variable_scope("Block8"):
            net = _residual(net, _BLOCK8, scale=1.0)
        net = points["Conv2d_7b_1x1"] = slim.conv2d(net, 1536, 1, scope="Conv2d_7b_1x1")
    if options.num_classes is not None:
        with tf.variable_scope("AuxLogits"):
            aux = _aux_features(points["PreAuxLogits"], "Conv2d_1a_3x3", "Conv2d_2a_5x5")
            points["AuxLogits"] = _classify(aux, options.num_classes, "Logits")
    with tf.variable_scope("Logits"):
        net = points["global_pool"] = slim.avg_pool2d(net, net.shape[1:3], padding="VALID", scope="AvgPool_1a_8x8")
        if options.num_classes is None:
            return net
        net = points["PreLogitsFlatten"] = slim.dropout(slim.flatten(net), _KEEP_PROBABILITY, scope="Dropout")
        return _predict(net, options.num_classes, points)


def _repeat(net: Any, times: int, scope: str, branches: tuple[Branch, ...], scale: float) -> Any:
    outer, inner = scope.split("/")
    with tf.variable_scope(outer):
        for index in range(times):
            with tf.variable_scope(f"{inner}_{index + 1}"):
                net = tf.nn.relu(_residual(net, branches, scale))
    return net


def _residual(net: Any, branches: tuple[Branch, ...], scale: float) -> Any:
    """Add the branches, brought to the width of ``net`` and scaled down, which keeps deep residual nets stable."""
    mixed = tf.concat(parallel(net, branches), 3)
    change = slim.conv2d(mixed, net.shape[3], 1, normalizer_fn=None, activation_fn=None, scope="Conv2d_1x1")
    return net + change * scale


def _resnet_arg_scope(options: Options) -> Any:
    """Return slim's arg scope: it decays biases as well, and leaves the weights' initializer at Xavier's."""
    decay = slim.l2_regularizer(options.weight_decay)
    norm = {"decay": options.batch_norm.decay, "epsilon": options.batch_norm.epsilon, "fused": None, "scale": False}
    with (
        slim.arg_scope([slim.conv2d, slim.fully_connected], weights_regularizer=decay, biases_regularizer=decay),
        slim.arg_scope(
            [slim.conv2d], activation_fn=tf.nn.relu, normalizer_fn=slim.batch_norm, normalizer_params=norm
        ) as scope,
    ):
        return scope


def _aux_features(features: Any, pool: str, layer: str) -> Any:
    """Add the auxiliary head's layers up to its classes; small pictures are pooled as a whole, as in Inception v3."""
    net = slim.avg_pool2d(features, window(features, 5), stride=3, padding="VALID", scope=pool)
    net = slim.conv2d(net, 128, [1, 1], scope="Conv2d_1b_1x1")
    return slim.flatten(slim.conv2d(net, 768, net.shape[1:3], padding="VALID", scope=layer))


def _classify(net: Any, num_classes: int, scope: str) -> Any:
    return slim.fully_connected(net, num_classes, activation_fn=None, scope=scope)


def _predict(net: Any, num_classes: int, points: dict[str, Any]) -> Any:
    logits = points["Logits"] = _classify(net, num_classes, "Logits")
    points["Predictions"] = tf.nn.softmax(logits, name="Predictions")
    return logits
