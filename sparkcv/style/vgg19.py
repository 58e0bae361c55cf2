"""VGG-19 as a graph of TensorFlow: the layers that style transfer looks at."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

import tensorflow as tf

from sparkcv.errors import UsageError
from sparkcv.style.vgg19_weights import ENTRIES, WIDTHS, Vgg19Weights, load

__all__ = ["ENTRIES", "FeatureNet", "POOLINGS", "PRECISIONS", "Vgg19Weights", "WIDTHS", "features", "load", "stride"]

POOLINGS = ("max", "avg")
PRECISIONS = ("float32", "bfloat16")


def features(
    images: Any, weights: Vgg19Weights, layers: Iterable[str], pooling: str = "max", precision: str = "float32"
) -> dict[str, Any]:
    """Return the named layers' values, float32 ``[batch, height, width, channels]``, of ``images``.

    ``images`` are float32 ``[batch, height, width, 3]`` of 0 to 255, red first, with the mean pixel taken off. Whatever
    lies behind the last of ``layers`` is not computed. ``precision`` is that of the convolutions alone.

    Raises UsageError for a layer that is none of :data:`ENTRIES`, and for another pooling.
    """
    wanted = set(layers)
    for name in sorted(wanted - set(ENTRIES)):
        raise UsageError(f"VGG-19 has no layer {name!r}; wanted one of {', '.join(ENTRIES)}")
    if pooling not in POOLINGS:
        raise UsageError(f"pooling: got {pooling!r}, wanted one of {', '.join(POOLINGS)}")
    dtype = tf.as_dtype(precision)
    pool = tf.nn.max_pool2d if pooling == "max" else tf.nn.avg_pool2d
    found: dict[str, Any] = {}
    net = tf.cast(images, dtype)
    for name in ENTRIES:
        if len(found) == len(wanted):
            break
        if name.startswith("conv"):
            net = tf.nn.conv2d(net, tf.cast(weights.kernels[name], dtype), 1, "SAME")
            net = tf.nn.bias_add(net, tf.cast(weights.biases[name], dtype))
        elif name.startswith("relu"):
            net = tf.nn.relu(net)
        else:
            net = pool(net, 2, 2, "SAME")
        if name in wanted:
            found[name] = tf.cast(net, tf.float32)
    return found


class FeatureNet:
    """VGG-19 as it is used: weights, ``max`` or ``avg`` pooling, the convolutions' precision.

    The weights are tensors, which graphs refer to: as constants each graph would hold 80 MB of its own.
    """

    def __init__(self, weights: Vgg19Weights, pooling: str = "max", precision: str = "float32") -> None:
        dtype = tf.as_dtype(precision)
        self._weights: Any = dataclasses.replace(
            weights,
            kernels={name: tf.cast(array, dtype) for name, array in weights.kernels.items()},
            biases={name: tf.cast(array, dtype) for name, array in weights.biases.items()},
        )
        self._pooling, self._precision = pooling, precision

    def features(self, images: Any, layers: Any) -> dict[str, Any]:
        """Return the layers' values of ``images``, mean pixel taken off."""
        return features(images, self._weights, layers, self._pooling, self._precision)


def stride(layer: str) -> int:
    """Return how many pixels of the picture, along a side, one value of a layer stands for."""
    return int(2 ** (int(layer.removeprefix("pool")) if layer.startswith("pool") else int(layer[4]) - 1))
