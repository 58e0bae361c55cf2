"""MobileNet v2, v3 and EdgeTPU, which tf_slim has not: from their papers, with slim's names.

All are a row of blocks: expand the channels, convolve each by itself, project to few channels.
"""

from typing import Any

from sparkcv.nets.mobilenet_designs import DESIGNS, Block, Convolution, Design, Pool, rounded
from sparkcv.nets.options import Options
from sparkcv.nets.slim import slim, tf

__all__ = ["arg_scope", "build"]

_KEEP_PROBABILITY = 0.8
_SQUEEZE = 4  # of a block's expanded channels, one in so many is left to decide on the gates


def build(images: Any, options: Options) -> tuple[Any, dict[str, Any]]:
    """Add MobileNet v2 (https://arxiv.org/abs/1801.04381) or v3 (1905.02244); see ``nets.Net.build``."""
    design = DESIGNS[options.name]
    with (
        slim.arg_scope(arg_scope(options, _ACTIVATIONS[design.activation])),
        tf.variable_scope(design.scope, reuse=options.reuse),
    ):
        net, points = _layers(tf.identity(images, "input"), design)
        net = tf.identity(net, name="embedding")
        with tf.variable_scope("Logits"):
            _, height, width, _ = net.shape.as_list()
            net = tf.nn.avg_pool2d(net, [1, height, width, 1], [1, 1, 1, 1], "VALID")
            points["global_pool"] = net
            if options.num_classes is None:
                return net, points
            net = slim.dropout(net, _KEEP_PROBABILITY, is_training=options.is_training, scope="Dropout")
            bare = {"activation_fn": None, "normalizer_fn": None, "biases_initializer": tf.zeros_initializer()}
            maps = slim.conv2d(net, options.num_classes, [1, 1], scope="Conv2d_1c_1x1", **bare)
            logits = points["Logits"] = tf.identity(tf.squeeze(maps, [1, 2]), name="output")
        points["Predictions"] = slim.softmax(logits, "Predictions")
    return logits, points


def _layers(net: Any, design: Design) -> tuple[Any, dict[str, Any]]:
    """Add the layers; return the last one, and the end points: each layer's, then what is inside of the blocks."""
    points: dict[str, Any] = {}
    inner: dict[str, Any] = {}
    counts = {Convolution: 0, Block: 0, Pool: 0}
    for number, layer in enumerate(design.layers, 1):
        before = counts[type(layer)]
        counts[type(layer)] += 1
        scope = f"{layer.scope}_{before}" if before else layer.scope
        if isinstance(layer, Block):
            net, found = _block(net, layer, design, scope)
            inner |= {f"layer_{number}/{name}": tensor for name, tensor in found.items()}
        elif isinstance(layer, Convolution):
            net = _convolution(net, layer, design, scope)
        else:
            net = slim.avg_pool2d(net, net.shape[1:3], stride=1, padding="VALID", scope=scope)
        points[f"layer_{number}"] = net
    return net, points | inner


def _convolution(net: Any, layer: Convolution, design: Design, scope: str) -> Any:
    filters = layer.filters if layer.keeps_width else rounded(layer.filters * design.width)
    special: dict[str, Any] = {} if layer.normalised else {"normalizer_fn": None}
    if layer.activation is not None:
        special["activation_fn"] = _ACTIVATIONS[layer.activation]
    return slim.conv2d(net, filters, [layer.kernel] * 2, stride=layer.stride, scope=scope, **special)


def _block(net: Any, block: Block, design: Design, scope: str) -> tuple[Any, dict[str, Any]]:
    """Add one block; return its output, and what slim names in it."""
    points: dict[str, Any] = {}
    activation = _ACTIVATIONS[block.activation or design.activation]
    with (
        tf.variable_scope(scope),
        slim.arg_scope([slim.conv2d, slim.separable_conv2d], activation_fn=activation),
    ):
        before = net = tf.identity(net, "input")
        channels = before.shape.as_list()[3]
        expanded = rounded(channels * block.expansion)
        if expanded > channels:
            # A fused block convolves where it expands.
            kernel, stride = (block.kernel, block.stride) if block.fused else (1, 1)
            net = slim.conv2d(net, expanded, [kernel] * 2, stride=stride, scope="expand")
            net = points["expansion_output"] = tf.identity(net, "expansion_output")
        if not block.fused:
            size = [block.kernel] * 2
            net = slim.separable_conv2d(net, None, size, depth_multiplier=1, stride=block.stride, scope="depthwise")
            net = points["depthwise_output"] = tf.identity(net, "depthwise_output")
        if block.squeezes:
            net = _squeeze_and_excite(net)
        filters = rounded(block.filters * design.width)
        net = slim.conv2d(net, filters, [1, 1], activation_fn=tf.identity, scope="project")
        if block.residual and block.stride == 1 and filters == channels:
            net = net + before
        net = points["output"] = tf.identity(net, "output")
    return net, points


def _squeeze_and_excite(net: Any) -> Any:
    """Multiply each channel by a gate from 0 to 1, which the means of all channels decide on."""
    channels = net.shape.as_list()[3]
    with tf.variable_scope("squeeze_excite"), slim.arg_scope([slim.conv2d], normalizer_fn=None):
        means = tf.reduce_mean(net, [1, 2], keepdims=True)
        squeezed = slim.conv2d(means, rounded(channels / _SQUEEZE), [1, 1], activation_fn=tf.nn.relu, scope="Conv")
        return net * slim.conv2d(squeezed, channels, [1, 1], activation_fn=_hard_sigmoid, scope="Conv_1")


def _hard_sigmoid(net: Any) -> Any:
    return tf.nn.relu6(net + 3) * 0.16667  # slim's sixth


def _hard_swish(net: Any) -> Any:
    with tf.name_scope("hard_swish"):
        return net * tf.nn.relu6(net + 3.0) * (1.0 / 6.0)


_ACTIVATIONS = {"relu": tf.nn.relu, "relu6": tf.nn.relu6, "hard_swish": _hard_swish}


def arg_scope(options: Options, activation: Any) -> Any:
    """Return slim's arg scope, of MobileNet v1 too: depthwise weights do not decay."""
    norm = {"decay": options.batch_norm.decay, "epsilon": options.batch_norm.epsilon, "center": True, "scale": True}
    layers = {
        "weights_initializer": tf.truncated_normal_initializer(stddev=0.09),
        "normalizer_fn": slim.batch_norm,
        "activation_fn": activation,
        "padding": "SAME",
    }
    with (
        slim.arg_scope([slim.conv2d, slim.separable_conv2d], **layers),
        slim.arg_scope([slim.batch_norm], is_training=options.is_training, **norm),
        slim.arg_scope([slim.conv2d], weights_regularizer=slim.l2_regularizer(options.weight_decay)) as scope,
    ):
        return scope
