"""The normalizations beside the families' own: float32 ``[side, side, channels]`` in [0, 1] to what a net gets."""

from typing import Any

import tensorflow.compat.v1 as tf

from sparkcv.preprocess.normalization import Normalization

__all__ = ["normalize"]


def normalize(pixels: Any, normalization: Normalization) -> Any:
    """Return the pixels as ``normalization`` says, float32 of the same shape.

    ``rescale`` leaves them in [0, 1]; ``mean`` takes the dataset's mean of each channel off; ``feature_wise`` divides
    that by its standard deviation; ``per_image`` takes the picture's own mean off and divides by its own deviation, or
    by ``1 / sqrt(values)`` if that is more; ``pca`` and ``zca`` are ``(values - center) @ matrix``.
    """
    kind, statistics = normalization.kind, normalization.statistics
    if kind == "rescale":
        return pixels
    if kind == "per_image":
        return tf.image.per_image_standardization(pixels)
    if statistics is None:
        raise ValueError(f"{kind} needs statistics")
    if kind == "mean":
        return pixels - statistics.mean
    if kind == "feature_wise":
        return (pixels - statistics.mean) * (1.0 / statistics.deviation)
    row = tf.reshape(pixels, [1, -1]) - statistics.center
    return tf.reshape(tf.matmul(row, statistics.matrix), pixels.shape)
