"""The nets of before batch normalisation: VGG, AlexNet v2 and OverFeat, with TF-Slim's names.

Their fully connected layers are convolutions of a fixed extent, which is why they take pictures of few sizes. The
layers are in tables here because tf_slim's own functions can neither leave the classes off nor pool globally.
"""

from typing import Any, NamedTuple

from sparkcv.nets.options import Options
from sparkcv.nets.slim import slim, slim_nets, tf

__all__ = ["build"]

_KEEP_PROBABILITY = 0.5


class _Layer(NamedTuple):
    """A convolution, or ``times`` of them in a scope of their own, or a pool where there are no ``filters``."""

    scope: str
    filters: int
    kernel: int
    stride: int = 1
    padding: str = "SAME"
    times: int = 0


class _Design(NamedTuple):
    """``layers``, then hidden layers ``fc6`` (its extent in pixels first) and ``fc7`` of so many features."""

    layers: tuple[_Layer, ...]
    extent: int
    hidden: tuple[int, int] = (4096, 4096)
    narrow: bool = False  # hidden layers start from a narrow normal distribution and biases of 0.1


def _pool(scope: str, kernel: int = 2) -> _Layer:
    return _Layer(scope, 0, kernel, 2, "VALID")


def _vgg(*times: int) -> _Design:
    layers = []
    for number, (filters, count) in enumerate(zip((64, 128, 256, 512, 512), times, strict=True), 1):
        layers += [_Layer(f"conv{number}", filters, 3, times=count), _pool(f"pool{number}")]
    return _Design(tuple(layers), 7)


_DESIGNS = {
    "alexnet_v2": _Design(
        (
            _Layer("conv1", 64, 11, 4, "VALID"),
            _pool("pool1", 3),
            _Layer("conv2", 192, 5),
            _pool("pool2", 3),
            _Layer("conv3", 384, 3),
            _Layer("conv4", 384, 3),
            _Layer("conv5", 256, 3),
            _pool("pool5", 3),
        ),
        5,
        narrow=True,
    ),
    "overfeat": _Design(
        (
            _Layer("conv1", 64, 11, 4, "VALID"),
            _pool("pool1"),
            _Layer("conv2", 256, 5, padding="VALID"),
            _pool("pool2"),
            _Layer("conv3", 512, 3),
            _Layer("conv4", 1024, 3),
            _Layer("conv5", 1024, 3),
            _pool("pool5"),
        ),
        6,
        (3072, 4096),
        narrow=True,
    ),
    "vgg_16": _vgg(2, 2, 3, 3, 3),
    "vgg_19": _vgg(2, 2, 4, 4, 4),
    "vgg_a": _vgg(1, 1, 2, 2, 2),
}
_ARG_SCOPES = {
    "alexnet_v2": slim_nets.alexnet.alexnet_v2_arg_scope,
    "overfeat": slim_nets.overfeat.overfeat_arg_scope,
}


def build(images: Any, options: Options) -> tuple[Any, dict[str, Any]]:
    """Add VGG (https://arxiv.org/abs/1409.1556), AlexNet v2 (1404.5997) or OverFeat (1312.6229); see ``Net.build``."""
    design = _DESIGNS[options.name]
    arg_scope = _ARG_SCOPES.get(options.name, slim_nets.vgg.vgg_arg_scope)(weight_decay=options.weight_decay)
    with slim.arg_scope(arg_scope), tf.variable_scope(options.name, reuse=options.reuse) as scope:
        collection = f"{scope.original_name_scope}_end_points"
        with slim.arg_scope([slim.conv2d, slim.max_pool2d], outputs_collections=collection):
            net = _hidden(_convolutions(images, design), design, options.is_training)
        points = dict(slim.utils.convert_collection_to_dict(collection))
        if options.global_pool:
            net = points["global_pool"] = tf.reduce_mean(net, [1, 2], keepdims=True, name="global_pool")
        if options.num_classes is None:
            return net, points
        net = slim.dropout(net, _KEEP_PROBABILITY, is_training=options.is_training, scope="dropout7")
        start = {"weights_initializer": _narrow()} if design.narrow else {}
        last = {"activation_fn": None, "normalizer_fn": None, "biases_initializer": tf.zeros_initializer()}
        maps = slim.conv2d(net, options.num_classes, [1, 1], scope="fc8", **last, **start)
        logits = points[f"{options.name}/fc8"] = tf.squeeze(maps, [1, 2], name="fc8/squeezed")
    return logits, {**points, "Logits": logits, "Predictions": tf.nn.softmax(logits, name="Predictions")}


def _convolutions(net: Any, design: _Design) -> Any:
    for layer in design.layers:
        size = [layer.kernel, layer.kernel]
        if layer.times:
            net = slim.repeat(net, layer.times, slim.conv2d, layer.filters, size, scope=layer.scope)
        elif layer.filters:
            net = slim.conv2d(net, layer.filters, size, layer.stride, padding=layer.padding, scope=layer.scope)
        else:
            net = slim.max_pool2d(net, size, layer.stride, padding=layer.padding, scope=layer.scope)
    return net


def _hidden(net: Any, design: _Design, is_training: bool) -> Any:
    start = {"weights_initializer": _narrow(), "biases_initializer": tf.constant_initializer(0.1)}
    with slim.arg_scope([slim.conv2d], **(start if design.narrow else {})):
        net = slim.conv2d(net, design.hidden[0], [design.extent] * 2, padding="VALID", scope="fc6")
        net = slim.dropout(net, _KEEP_PROBABILITY, is_training=is_training, scope="dropout6")
        return slim.conv2d(net, design.hidden[1], [1, 1], scope="fc7")


def _narrow() -> Any:
    return tf.truncated_normal_initializer(0.0, 0.005)
