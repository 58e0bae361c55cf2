"""The style as patches: each patch of a picture's features is pulled to the most alike patch of the styles' features.

Li and Wand 2016, https://arxiv.org/abs/1601.04589. The loss is a mean of squared differences, as the others are. Which
patch is the most alike is found anew at each call, by normalized cross-correlation, a matrix product a chunk.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparkcv.light_tensorflow import tf
from sparkcv.style import losses
from sparkcv.style.objective import FeatureNet, LossParts
from sparkcv.style.task import MRF_LAYERS, LossWeights

__all__ = ["MrfObjective", "MrfTargets", "matches", "patches", "style_patches"]

Floats = NDArray[np.float32]

SIZE, STRIDE = 3, 2
_CHUNK_VALUES = 2**24  # of the correlations that are held at once: 64 MB


@dataclasses.dataclass(frozen=True)
class MrfTargets:
    """What is wanted.

    Attributes:
        patches: by layer of :data:`MRF_LAYERS` the styles' patches, float32 ``[patches, 3 * 3 * channels]``.
        content: by content layer the content's values, ``[height, width, channels]``.
    """

    patches: dict[str, Any]
    content: dict[str, Floats]


def patches(values: Any, size: int = SIZE, stride: int = STRIDE) -> Any:
    """Return the patches of ``[height, width, channels]`` as rows, float32 ``[patches, size * size * channels]``.

    They begin at each ``stride``-th row and column, and at the last row and column that a patch fits at: each value
    lies in a patch if ``size >= stride``. Height and width are ``size`` at least.
    """
    shape = tf.shape(values)
    rows, columns = (_starts(shape[axis] - size, stride)[:, None] + tf.range(size) for axis in (0, 1))
    found = tf.gather(tf.gather(values, columns, axis=1), rows, axis=0)  # [rows, size, columns, size, channels]
    return tf.reshape(tf.transpose(found, [0, 2, 1, 3, 4]), [-1, size * size * values.shape[-1]])


def _starts(last: Any, stride: int) -> Any:
    return tf.concat([tf.range(0, last, stride), [last]], axis=0)


def matches(found: Any, styles: Any, chunk_values: int = _CHUNK_VALUES) -> Any:
    """Return for each row of ``found`` the index of the row of ``styles`` that correlates best with it, int64.

    Both are float32 ``[patches, values]``. The correlation is divided by the length of the style's row; the length of
    the other changes no order. No more than ``chunk_values`` correlations are held at once, or those of one row.
    """
    count = tf.shape(found)[0]
    chunk = tf.clip_by_value(chunk_values // tf.shape(styles)[0], 1, count)
    padded = tf.pad(found, [[0, -count % chunk], [0, 0]])
    lengths = tf.maximum(tf.norm(styles, axis=1), 1e-12)

    def best(rows: Any) -> Any:
        return tf.argmax(tf.matmul(rows, styles, transpose_b=True) / lengths, axis=1)

    chunks = tf.reshape(padded, [-1, chunk, found.shape[-1]])
    return tf.reshape(tf.map_fn(best, chunks, parallel_iterations=1, fn_output_signature=tf.int64), [-1])[:count]


def style_patches(net: FeatureNet, images: Sequence[Floats]) -> dict[str, Any]:
    """Return by layer the patches of all ``images``, float32 ``[height, width, 3]`` with the mean pixel taken off."""
    found: dict[str, list[Any]] = {layer: [] for layer in MRF_LAYERS}
    for image in images:
        for layer, values in net.features(image[None], MRF_LAYERS).items():
            found[layer].append(patches(values[0]))
    return {layer: tf.concat(rows, axis=0) for layer, rows in found.items()}


class MrfObjective:
    """The loss of pictures; calling it gives the parts and the gradient, as of :class:`~.objective.Objective`.

    Args:
        net: what looks at the pictures, each as a whole.
        targets: what is wanted.
        weights: what counts how much; ``style_layers`` are those of :data:`MRF_LAYERS`.
        chunk_values: how many correlations are held at once.
    """

    def __init__(
        self, net: FeatureNet, targets: MrfTargets, weights: LossWeights, chunk_values: int = _CHUNK_VALUES
    ) -> None:
        self._net, self._targets, self._weights, self._chunk_values = net, targets, weights, chunk_values
        self._content = weights.content_layers()
        self._gradient = tf.function(self._parts_and_gradient, input_signature=[tf.TensorSpec([None, None, 3])])

    def __call__(self, image: Floats) -> tuple[LossParts, Floats]:
        """Return the loss of ``image``, float32 ``[height, width, 3]`` less the mean pixel, and its gradient."""
        parts, gradient = self._gradient(image)
        return LossParts(*(float(part) for part in parts)), gradient.numpy()

    def _parts_and_gradient(self, image: Any) -> tuple[Any, Any]:
        with tf.GradientTape() as tape:
            tape.watch(image)
            found = self._net.features(image[None], [*MRF_LAYERS, *self._content])
            content = tf.constant(0.0)
            for layer, weight in self._content.items():
                content += weight * losses.content_loss(found[layer][0], self._targets.content[layer])
            style = self._weights.style * self._style_loss(found)
            variation = self._weights.total_variation * losses.total_variation(image[None])
            total = content + style + variation
        return (content, style, variation), tape.gradient(total, image)

    def _style_loss(self, found: dict[str, Any]) -> Any:
        loss = tf.constant(0.0)
        for layer, weight in zip(MRF_LAYERS, self._weights.style_layers, strict=True):
            got, styles = patches(found[layer][0]), self._targets.patches[layer]
            nearest = matches(tf.stop_gradient(got), styles, self._chunk_values)
            loss += weight * tf.reduce_mean(tf.math.squared_difference(got, tf.gather(styles, nearest)))
        return loss
