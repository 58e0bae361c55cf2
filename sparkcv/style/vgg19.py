"""VGG-19 as a graph of TensorFlow: the layers that style transfer looks at."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from sparkcv.errors import UsageError
from sparkcv.light_tensorflow import tf
from sparkcv.style import winograd
from sparkcv.style.vgg19_weights import ENTRIES, WIDTHS, Vgg19Weights, load

__all__ = [
    "CONVOLUTIONS",
    "ENTRIES",
    "FeatureNet",
    "POOLINGS",
    "PRECISIONS",
    "Vgg19Weights",
    "WIDTHS",
    "features",
    "load",
    "stride",
]

POOLINGS = ("max", "avg")
PRECISIONS = ("float32", "bfloat16")
CONVOLUTIONS = ("winograd", "direct")


def features(
    images: Any, weights: Vgg19Weights, layers: Iterable[str], pooling: str = "max", precision: str = "float32"
) -> dict[str, Any]:
    """Return the named layers' values, float32 ``[batch, height, width, channels]``, of ``images``.

    ``images`` are float32 ``[batch, height, width, 3]`` of 0 to 255, red first, with the mean pixel taken off. Whatever
    lies behind the last of ``layers`` is not computed. ``precision`` is that of the convolutions alone. A kernel that
    :func:`.winograd.transformed` made is used as such, on a single picture.

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
            kernel = tf.cast(weights.kernels[name], dtype)
            transformed = len(kernel.shape) == 3
            net = winograd.convolve(net, kernel) if transformed else tf.nn.conv2d(net, kernel, 1, "SAME")
            net = tf.nn.bias_add(net, tf.cast(weights.biases[name], dtype))
        elif name.startswith("relu"):
            net = tf.nn.relu(net)
        else:
            net = pool(net, 2, 2, "SAME")
        if name in wanted:
            found[name] = tf.cast(net, tf.float32)
    return found


class FeatureNet:
    """VGG-19 as it is used, on one picture at a time.

    Args:
        weights: of the net.
        pooling: ``max`` or ``avg``.
        precision: of the convolutions, ``float32`` or ``bfloat16``.
        convolutions: ``direct``, or ``winograd`` in float32 and where it pays.
    """

    def __init__(
        self, weights: Vgg19Weights, pooling: str = "max", precision: str = "float32", convolutions: str = "direct"
    ) -> None:
        # Tensors, which graphs refer to: as constants each graph would hold 80 MB of its own.
        self._weights: Any = dataclasses.replace(
            weights,
            kernels=_Kernels(weights.kernels, precision, convolutions),
            biases={name: tf.constant(array) for name, array in weights.biases.items()},
        )
        self._pooling, self._precision = pooling, precision

    def features(self, images: Any, layers: Any) -> dict[str, Any]:
        """Return the layers' values of ``images``, mean pixel taken off."""
        return features(images, self._weights, layers, self._pooling, self._precision)


class _Kernels(dict[str, Any]):
    """Kernels as tensors, each made once it is used, its array let go: a transformed one is four times as large."""

    def __init__(self, arrays: Mapping[str, Any], precision: str, convolutions: str) -> None:
        super().__init__()
        self._arrays, self._precision = dict(arrays), precision
        self._winograd = convolutions == "winograd" and precision == "float32"

    def __missing__(self, name: str) -> Any:
        array = self._arrays.pop(name)
        if self._winograd and min(array.shape[2:]) >= winograd.LEAST_CHANNELS:
            array = winograd.transformed(array)
        with tf.init_scope():  # a graph that is being made would keep what is made in it
            # Not tf.constant, nor a cast to the same type: those let go of the array some time later.
            self[name] = tf.cast(tf.identity(array), self._precision)
        return self[name]


def stride(layer: str) -> int:
    """Return how many pixels of the picture, along a side, one value of a layer stands for."""
    return int(2 ** (int(layer.removeprefix("pool")) if layer.startswith("pool") else int(layer[4]) - 1))
