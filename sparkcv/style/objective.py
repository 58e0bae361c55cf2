"""The loss of a picture and its gradient, of the whole at once or tile by tile.

A Gram matrix is a sum over positions, so that of the whole picture is the sum of the tiles'. In tiles each is looked at
twice: first for the Gram matrices and the content's differences, then, with the derivative by the whole picture's Gram
matrices known, for the gradient by its pixels, which the tiles' overlaps add up.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparkcv.light_tensorflow import tf
from sparkcv.style import losses, tiles, vgg19
from sparkcv.style.losses import LossParts, Targets
from sparkcv.style.task import STYLE_LAYERS, LossWeights
from sparkcv.style.tiles import Tile
from sparkcv.style.vgg19 import FeatureNet
from sparkcv.style.whole_picture import WholePicture

__all__ = ["FeatureNet", "LossParts", "Objective", "Targets", "content_values", "style_grams"]

Floats = NDArray[np.float32]


def style_grams(net: FeatureNet, image: Floats, tile_size: int = 0) -> dict[str, Floats]:
    """Return the Gram matrix ``[channels, channels]`` of each style layer of ``image``, mean pixel taken off."""
    grams: dict[str, Any] = dict.fromkeys(STYLE_LAYERS, 0.0)
    for _, found in _values(net, image, STYLE_LAYERS, tile_size):
        for layer, values in found.items():
            flat = values.numpy().reshape(-1, values.shape[-1])
            with np.errstate(over="ignore", invalid="ignore"):  # a loss that is no number is told later
                grams[layer] = grams[layer] + flat.T @ flat  # by NumPy, as the reference does: to the last bit
    for layer, gram in grams.items():
        rows, columns = (-(-side // vgg19.stride(layer)) for side in image.shape[:2])
        grams[layer] = (gram / (rows * columns * gram.shape[0])).astype(np.float32)
    return grams


def content_values(net: FeatureNet, image: Floats, layers: Any, tile_size: int = 0) -> dict[str, Floats]:
    """Return the layers' values ``[height, width, channels]`` of ``image``, mean pixel taken off."""
    made: dict[str, Floats] = {}
    for tile, found in _values(net, image, list(layers), tile_size):
        for layer, values in found.items():
            step = vgg19.stride(layer)
            if layer not in made:
                rows, columns = (-(-side // step) for side in image.shape[:2])
                made[layer] = np.empty((rows, columns, values.shape[-1]), np.float32)
            made[layer][tile.own_at(step)] = values.numpy()
    return made


def _values(net: FeatureNet, image: Floats, layers: Any, tile_size: int) -> Iterator[tuple[Tile, dict[str, Any]]]:
    """Give the layers' own values of each tile."""
    height, width = image.shape[:2]
    for tile in tiles.tiles(height, width, tile_size or max(height, width), tiles.halo(layers)):
        found = net.features(image[None, tile.top : tile.bottom, tile.left : tile.right], layers)
        yield tile, {layer: _own(values[0], tile.own, vgg19.stride(layer)) for layer, values in found.items()}


def _own(values: Any, own: Any, step: int) -> Any:
    top, bottom, left, right = own[0] // step, -(-own[1] // step), own[2] // step, -(-own[3] // step)
    return values[top:bottom, left:right]


class Objective:
    """The loss of pictures of one size; calling it gives the parts and the gradient.

    Args:
        net: what looks at the pictures.
        targets: what is wanted.
        weights: what counts how much.
        tile_size: pixels of a tile's side, a multiple of 16; 0: the picture is looked at as a whole.
    """

    def __init__(self, net: FeatureNet, targets: Targets, weights: LossWeights, tile_size: int = 0) -> None:
        self._net, self._targets, self._weights, self._tile_size = net, targets, weights, tile_size
        self._content = weights.content_layers()
        self._layers = [*STYLE_LAYERS, *self._content]
        self._masks = _pyramid(targets.masks)
        given = self._signature()
        self._sums_of = tf.function(self._sums, input_signature=given)
        self._whole = WholePicture(net, targets, weights, self._masks)
        slopes = {layer: tf.TensorSpec([None, None, None]) for layer in STYLE_LAYERS}
        self._tile = tf.function(self._tile_gradient, input_signature=[*given, slopes])

    def __call__(self, image: Floats) -> tuple[LossParts, Floats]:
        """Return the loss of ``image``, float32 ``[height, width, 3]`` less the mean pixel, and its gradient."""
        height, width = image.shape[:2]
        size = self._tile_size or max(height, width)
        cut = list(tiles.tiles(height, width, size, tiles.halo(self._layers)))
        content, style, gradient = self._in_tiles(image, cut) if len(cut) > 1 else self._whole(image)
        variation = losses.add_variation(gradient, image, self._weights.total_variation)
        return LossParts(content, style, variation), gradient

    def _signature(self) -> list[Any]:
        """Return what the functions take: tiles of all sizes share a graph."""
        content = {
            layer: tf.TensorSpec([None, None, self._targets.content[layer].shape[-1]]) for layer in self._content
        }
        masks = {layer: tf.TensorSpec([mask.shape[0], None, None, 1]) for layer, mask in self._masks.items()}
        positions = {layer: tf.TensorSpec([None, 1, 1]) for layer in STYLE_LAYERS}
        return [tf.TensorSpec([None, None, 3]), tf.TensorSpec([4], tf.int32), content, masks, positions]

    def _in_tiles(self, image: Floats, cut: list[Tile]) -> tuple[float, float, Floats]:
        grams: Any = None
        content = 0.0
        for tile in cut:
            pixels = image[tile.top : tile.bottom, tile.left : tile.right]
            found, part = self._sums_of(pixels, *self._wanted(tile, image))
            grams = found if grams is None else {layer: grams[layer] + value for layer, value in found.items()}
            content += float(part)
        with tf.GradientTape() as tape:
            tape.watch(grams)
            style = self._style_loss(grams, self._positions(image))
        slopes = tape.gradient(style, grams)
        gradient = np.zeros_like(image)
        for tile in cut:
            pixels = image[tile.top : tile.bottom, tile.left : tile.right]
            slope = self._tile(pixels, *self._wanted(tile, image), slopes)
            gradient[tile.top : tile.bottom, tile.left : tile.right] += slope.numpy()
        return content, float(style), gradient

    def _wanted(self, tile: Tile, image: Floats) -> tuple[Any, dict[str, Any], dict[str, Any], dict[str, Any]]:
        """Return what a tile is held against: its own part, the content there, masks there, counts of positions."""
        content = {layer: self._targets.content[layer][tile.own_at(vgg19.stride(layer))] for layer in self._content}
        masks = {layer: mask[:, *tile.own_at(vgg19.stride(layer))] for layer, mask in self._masks.items()}
        return tf.constant(tile.own, tf.int32), content, masks, self._positions(image)

    def _positions(self, image: Floats) -> dict[str, Any]:
        """Return how many positions a style layer has, or what they weigh by each mask: float32 ``[styles, 1, 1]``."""
        if self._masks:
            counts = {layer: np.square(mask).sum(axis=(1, 2, 3)) for layer, mask in self._masks.items()}
        else:
            counts = {}
            for layer in STYLE_LAYERS:
                rows, columns = (-(-side // vgg19.stride(layer)) for side in image.shape[:2])
                counts[layer] = np.array([rows * columns], np.float64)
        return {
            layer: tf.constant(np.maximum(count, 1e-6)[:, None, None], tf.float32) for layer, count in counts.items()
        }

    def _sums(self, pixels: Any, own: Any, content: Any, masks: Any, positions: Any) -> tuple[dict[str, Any], Any]:
        """Return Gram sums ``[1 or styles, channels, channels]`` by layer, and the weighed content loss, of a tile."""
        del positions
        found = self._net.features(pixels[None], self._layers)
        kept = {layer: _own(values[0], own, vgg19.stride(layer)) for layer, values in found.items()}
        grams = {}
        for layer in STYLE_LAYERS:
            if masks:
                grams[layer] = tf.stack([losses.gram_sum(kept[layer], mask) for mask in tf.unstack(masks[layer])])
            else:
                grams[layer] = losses.gram_sum(kept[layer])[None]
        part = tf.constant(0.0)
        for layer, weight in self._content.items():
            squares = tf.reduce_sum(tf.math.squared_difference(kept[layer], content[layer]))
            part += weight * squares / float(self._targets.content[layer].size)
        return grams, part

    def _style_loss(self, grams: dict[str, Any], positions: dict[str, Any]) -> Any:
        loss = tf.constant(0.0)
        for layer, weight in zip(STYLE_LAYERS, self._weights.style_layers, strict=True):
            got = grams[layer] / (positions[layer] * float(grams[layer].shape[-1]))
            differences = tf.reduce_mean(tf.math.squared_difference(got, self._targets.grams[layer]), axis=[1, 2])
            loss += weight * tf.reduce_sum(differences * tf.constant(self._weights.blend, tf.float32))
        return self._weights.style * loss

    def _tile_gradient(
        self, pixels: Any, own: Any, content: Any, masks: Any, positions: Any, slopes: dict[str, Any]
    ) -> Any:
        pixels = tf.convert_to_tensor(pixels)
        with tf.GradientTape() as tape:
            tape.watch(pixels)
            grams, total = self._sums(pixels, own, content, masks, positions)
            for layer, slope in slopes.items():
                total += tf.reduce_sum(slope * grams[layer])
        return tape.gradient(total, pixels)


def _pyramid(masks: Floats | None) -> dict[str, Floats]:
    """Return the masks by style layer, as the means of the pixels that a value stands for."""
    if masks is None:
        return {}
    return {layer: _means(masks, vgg19.stride(layer)) for layer in STYLE_LAYERS}


def _means(masks: Floats, step: int) -> Floats:
    """Return the means of ``step`` by ``step`` pixels, of fewer at the right and the lower edge.

    One pooling of that size would begin above and left of the picture, where VGG-19's poolings of 2 by 2 do not.
    """
    rows, columns = (np.arange(0, side, step) for side in masks.shape[1:3])
    sums = np.add.reduceat(np.add.reduceat(masks, rows, axis=1), columns, axis=2)
    high, wide = (np.diff(starts, append=side) for starts, side in zip((rows, columns), masks.shape[1:3], strict=True))
    return np.asarray(sums / (high[:, None] * wide)[..., None], np.float32)
