"""The fast style transfer net as a TensorFlow graph: pictures of any size in, pictures of the same size out.

:mod:`.transformer_spec` says which layers there are; :mod:`.strips` computes the same with bounded memory.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sparkcv.light_tensorflow import tf1 as tf
from sparkcv.style.transformer_spec import SCOPE, STRIDE, NetLayer, TransformerSpec

__all__ = ["EPSILON", "RANGE", "Variables", "constants", "convolve", "edges", "stylize", "trained_variables"]

EPSILON = 1e-3
RANGE = (127.5, 150.0)
"""Middle and half width of what the net can give, in pixels of 0 to 255: it may lie outside of them."""

_STDDEV = 0.1
Variables = Callable[[str, tuple[int, ...]], Any]


def stylize(pixels: Any, spec: TransformerSpec, variables: Variables | None = None) -> Any:
    """Return the stylized pictures, float32 ``[batch, height, width, 3]``, about 0 to 255, of the size of ``pixels``.

    ``pixels`` are float32 ``[batch, height, width, 3]`` of 0 to 255, with sides of at least
    :data:`~sparkcv.style.transformer_spec.LEAST_SIDE`, known only when the graph runs if need be. ``variables`` gives
    the tensor for a name and a shape; without it variables are made that can be trained.

    With ``same`` padding a side that is no multiple of 4 is rounded up on the way, as the published program does. There
    the picture comes out shifted by as many pixels as were added, so it is those at the top and at the left that go.
    """
    variables = variables or trained_variables
    shapes = spec.variables()
    height, width = tf.shape(pixels)[1], tf.shape(pixels)[2]
    net = pixels * spec.input_scale
    if spec.padding == "reflect":
        net = tf.pad(net, [[0, 0], [0, -height % STRIDE], [0, -width % STRIDE], [0, 0]], "REFLECT")
    start = net
    for layer in spec.layers:
        weights, beta, gamma = (
            variables(name, shapes[name])
            for name in (
                f"{SCOPE}/{layer.name}/{kind}" for kind in ("weights", "InstanceNorm/beta", "InstanceNorm/gamma")
            )
        )
        start = net if layer.starts_block else start
        with tf.name_scope(layer.name.replace("/", "_")):
            net = convolve(edges(net, layer, spec), weights, layer, spec)
            mean, variance = tf.nn.moments(net, [1, 2], keepdims=True)
            net = (net - mean) * tf.rsqrt(variance + EPSILON) * gamma + beta
            net = tf.nn.relu(net) if layer.relu else net
            net = net + start if layer.ends_block else net
    middle, half = RANGE
    made = tf.nn.tanh(net) * half + middle
    top, left = (0, 0) if spec.padding == "reflect" else (-height % STRIDE, -width % STRIDE)
    made = made[:, top : top + height, left : left + width]
    made.set_shape(pixels.shape)
    return made


def edges(net: Any, layer: NetLayer, spec: TransformerSpec) -> Any:
    """Return a layer's whole input with what lies around the picture: mirrored pixels, or zeros."""
    mode = "REFLECT" if spec.padding == "reflect" else "CONSTANT"
    if spec.is_transposed(layer):
        # Row 2 i of a doubled picture is made of the rows i - 1 and i; published programs have nothing above the first.
        return tf.pad(net, [[0, 0], [1, 0], [1, 0], [0, 0]], mode)
    around = [_around(tf.shape(net)[axis] * layer.scale, layer) for axis in (1, 2)]
    return tf.pad(_resized(net, layer), [[0, 0], *map(list, around), [0, 0]], mode)


def convolve(net: Any, weights: Any, layer: NetLayer, spec: TransformerSpec) -> Any:
    """Return a layer's convolution, before its normalization, of an input that has its edges already."""
    if not spec.is_transposed(layer):
        return tf.nn.conv2d(net, weights, [1, layer.stride, layer.stride, 1], "VALID")
    shape = tf.shape(net)
    sides = [shape[0], 2 * shape[1], 2 * shape[2], layer.num_out]
    doubled = tf.nn.conv2d_transpose(net, weights, sides, [1, 2, 2, 1], "SAME")
    return doubled[:, 2:, 2:]  # the first two are the edge's own


def trained_variables(name: str, shape: tuple[int, ...]) -> Any:
    """Return the variable of that name, to be trained; weights begin as the published program's do."""
    initial = {"weights": tf.truncated_normal_initializer(stddev=_STDDEV), "gamma": tf.ones_initializer()}
    kind = name.rpartition("/")[2]
    collections = [tf.GraphKeys.GLOBAL_VARIABLES, tf.GraphKeys.TRAINABLE_VARIABLES, tf.GraphKeys.MODEL_VARIABLES]
    return tf.get_variable(name, shape, tf.float32, initial.get(kind, tf.zeros_initializer()), collections=collections)


def constants(weights: Any) -> Variables:
    """Return what gives the arrays of ``weights``, by name, as constants: for a net that is only applied."""
    return lambda name, _: tf.constant(weights[name], tf.float32, name=name.replace("/", "_"))


def _around(side: Any, layer: NetLayer) -> tuple[Any, Any]:
    """Return how many values TensorFlow's SAME puts before and behind a side; the odd one stands behind."""
    out = -(-side // layer.stride)
    total = tf.maximum((out - 1) * layer.stride + layer.size - side, 0)
    return total // 2, total - total // 2


def _resized(net: Any, layer: NetLayer) -> Any:
    if layer.scale == 1:
        return net
    shape = tf.shape(net)
    return tf.image.resize_nearest_neighbor(net, [layer.scale * shape[1], layer.scale * shape[2]])
