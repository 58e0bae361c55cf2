"""The losses of style transfer: content, style by Gram matrices, and total variation.

Gatys et al. 2015, https://arxiv.org/abs/1508.06576, weighed as anishathalye/neural-style weighs them: each is a mean of
squares, and a Gram matrix is divided by height * width * channels.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

__all__ = ["content_loss", "gram", "gram_sum", "style_loss", "total_variation"]


def gram_sum(features: Any, mask: Any = None) -> Any:
    """Return float32 ``[channels, channels]``, sums over all positions of products of channels, of one picture.

    ``features`` are ``[height, width, channels]``. ``mask``, ``[height, width, 1]``, weighs each position's values.
    """
    weighed = features if mask is None else features * mask
    flat = tf.reshape(weighed, [-1, features.shape[-1]])
    return tf.matmul(flat, flat, transpose_a=True)


def gram(features: Any) -> Any:
    """Return the Gram matrices, float32 ``[batch, channels, channels]``, of ``[batch, height, width, channels]``."""
    shape = tf.shape(features)
    flat = tf.reshape(features, [shape[0], shape[1] * shape[2], features.shape[-1]])
    return tf.matmul(flat, flat, transpose_a=True) / tf.cast(shape[1] * shape[2] * shape[3], tf.float32)


def content_loss(got: Any, wanted: Any) -> Any:
    """Return the mean of squared differences of two features of the same shape."""
    return tf.reduce_mean(tf.math.squared_difference(got, wanted))


def style_loss(got: Any, wanted: Any) -> Any:
    """Return the mean of squared differences of two Gram matrices."""
    return tf.reduce_mean(tf.math.squared_difference(got, wanted))


def total_variation(images: Any) -> Any:
    """Return the means of squared differences of vertical and of horizontal neighbours, added up.

    ``images`` are float32 ``[batch, height, width, channels]`` with sides of 2 at least.
    """
    down = images[:, 1:] - images[:, :-1]
    right = images[:, :, 1:] - images[:, :, :-1]
    return tf.reduce_mean(tf.square(down)) + tf.reduce_mean(tf.square(right))
