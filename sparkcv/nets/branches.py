"""Blocks of parallel branches, as Inception v4 and Inception-ResNet v2 are made of, built from tables.

A layer's name says its kind and kernel, as slim's names do: ``Conv2d_0b_1x7``, ``AvgPool_0a_3x3``.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sparkcv.nets.slim import slim, tf

__all__ = ["Branch", "Layer", "halve", "mix", "parallel", "run"]


class Layer(NamedTuple):
    """A convolution, or a pool where there are no ``filters``."""

    scope: str
    filters: int = 0
    stride: int = 1
    padding: str = "SAME"


# One layer after the other; several in parentheses see the same input and are concatenated.
Branch = Sequence[Layer | Sequence[Layer]]


def halve(scope: str, filters: int = 0) -> Layer:
    """Return a layer that halves height and width, without padding."""
    return Layer(scope, filters, 2, "VALID")


def mix(net: Any, scope: str, branches: Sequence[Branch]) -> Any:
    """Add the branches beside each other, and concatenate what they give along the channels."""
    with tf.variable_scope(scope):
        return tf.concat(parallel(net, branches), 3)


def parallel(net: Any, branches: Sequence[Branch]) -> list[Any]:
    """Add the branches ``Branch_0``, ``Branch_1`` ... to the current scope; return what each gives."""
    outputs = []
    for index, branch in enumerate(branches):
        with tf.variable_scope(f"Branch_{index}"):
            outputs.append(run(net, branch))
    return outputs


def run(net: Any, branch: Branch) -> Any:
    """Add one layer after the other to the current scope."""
    for layer in branch:
        net = _add(net, layer) if isinstance(layer, Layer) else tf.concat([_add(net, one) for one in layer], 3)
    return net


def _add(net: Any, layer: Layer) -> Any:
    height, width = layer.scope.rsplit("_", 1)[1].split("x")
    kernel = [int(height), int(width)]
    where = {"stride": layer.stride, "padding": layer.padding, "scope": layer.scope}
    if layer.filters:
        return slim.conv2d(net, layer.filters, kernel, **where)
    pool = slim.avg_pool2d if layer.scope.startswith("AvgPool") else slim.max_pool2d
    return pool(net, kernel, **where)
