"""The content and style loss of a picture that is looked at as a whole, and its gradient.

The operations and their order are those of the graph of anishathalye/neural-style: with another order the last bits
differ, and Adam, which divides by the gradient's size, makes them grow where the gradient is near zero.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparkcv.light_tensorflow import tf
from sparkcv.style.losses import Targets, content_loss, mean_square
from sparkcv.style.task import STYLE_LAYERS, LossWeights
from sparkcv.style.vgg19 import FeatureNet

__all__ = ["WholePicture"]

Floats = NDArray[np.float32]


class WholePicture:
    """The content and style loss of pictures of one size; calling it gives both and their gradient.

    Args:
        net: what looks at the pictures.
        targets: what is wanted.
        weights: what counts how much.
        masks: by style layer ``[styles, height, width, 1]``; empty where each style is wanted anywhere.
    """

    def __init__(self, net: FeatureNet, targets: Targets, weights: LossWeights, masks: dict[str, Floats]) -> None:
        self._net, self._targets, self._weights, self._masks = net, targets, weights, masks
        self._content = weights.content_layers()
        self._run = tf.function(self._parts_and_slope)

    def __call__(self, image: Floats) -> tuple[float, float, Floats]:
        """Return the parts of ``image``, float32 ``[height, width, 3]`` less the mean pixel, and their gradient."""
        content, style, slope = self._run(image)
        return float(content), float(style), np.array(slope)

    def _parts_and_slope(self, image: Any) -> tuple[Any, Any, Any]:
        found = self._net.features(image[None], [*STYLE_LAYERS, *self._content])
        content = tf.constant(0.0)
        for layer, weight in self._content.items():
            content += weight * content_loss(found[layer][0], self._targets.content[layer])
        style = tf.constant(0.0)
        for index, share in enumerate(self._weights.blend):
            layers = [
                weight * mean_square(self._gram(found[layer], layer, index) - self._targets.grams[layer][index])
                for layer, weight in zip(STYLE_LAYERS, self._weights.style_layers, strict=True)
            ]
            style += self._weights.style * share * sum(layers[1:], layers[0])
        (slope,) = tf.gradients(content + style, image)
        return content, style, slope

    def _gram(self, values: Any, layer: str, index: int) -> Any:
        """Return the Gram matrix ``[channels, channels]`` over its size, of where the mask of a style is."""
        channels = values.shape[-1]
        size = float(math.prod(values.shape[1:]))
        if self._masks:
            mask = self._masks[layer][index]
            size = max(float(np.square(mask).sum()), 1e-6) * channels
            values = values * mask
        flat = tf.reshape(values, [-1, channels])
        return tf.matmul(tf.transpose(flat), flat) / size
