"""Perceptual losses: how far two pictures are apart in the ``end_points`` of a net, not pixel by pixel.

Johnson et al. 2016, https://arxiv.org/abs/1603.08155, section 3.2. The net is a fixed one, such as a trained VGG-16:
leave its variables out of those that are trained.
"""

from collections.abc import Mapping
from typing import Any

import tensorflow.compat.v1 as tf

from sparkcv.errors import UsageError, nearest

__all__ = ["feature_loss", "gram_matrix", "perceptual_loss", "style_loss"]


def perceptual_loss(
    got: Mapping[str, Any],
    wanted: Mapping[str, Any],
    *,
    features: Mapping[str, float],
    style: Mapping[str, float] | None = None,
    style_wanted: Mapping[str, Any] | None = None,
) -> Any:
    """Return the scalar float32 sum of the weighted losses of the named end points.

    ``got`` and ``wanted`` are end points, float32 ``[batch, height, width, channels]``, of the net that looked at the
    made and at the wanted pictures; ``features`` and ``style`` are the weight of each end point's
    :func:`feature_loss` and :func:`style_loss`. ``style_wanted`` are the end points of the pictures whose style is
    wanted, which may have other sides; without it they are those of ``wanted``.

    Raise UsageError for an end point that is not there, which names the nearest, and where no end point is named.
    """
    style_wanted = wanted if style_wanted is None else style_wanted
    losses = [weight * feature_loss(_point(got, name), _point(wanted, name)) for name, weight in features.items()]
    losses += [
        weight * style_loss(_point(got, name), _point(style_wanted, name)) for name, weight in (style or {}).items()
    ]
    if not losses:
        raise UsageError("a perceptual loss was asked for without any end point; wanted one at least")
    return tf.add_n(losses, name="perceptual_loss")


def feature_loss(got: Any, wanted: Any) -> Any:
    """Return the mean squared difference of two features of equal shape, over batch, height, width and channels."""
    return tf.reduce_mean(tf.math.squared_difference(got, tf.stop_gradient(wanted)))


def style_loss(got: Any, wanted: Any) -> Any:
    """Return the squared Frobenius norm of the difference of the Gram matrices, as the batch's mean.

    The pictures may differ in height and width, and ``wanted`` may be one picture for the whole batch.
    """
    difference = gram_matrix(got) - tf.stop_gradient(gram_matrix(wanted))
    return tf.reduce_mean(tf.reduce_sum(tf.square(difference), axis=[1, 2]))


def gram_matrix(features: Any) -> Any:
    """Return float32 ``[batch, channels, channels]``: products of channels, over height * width * channels."""
    shape = tf.shape(features)
    flat = tf.reshape(features, [shape[0], shape[1] * shape[2], features.shape[-1]])
    return tf.matmul(flat, flat, transpose_a=True) / tf.cast(shape[1] * shape[2] * shape[3], features.dtype)


def _point(end_points: Mapping[str, Any], name: str) -> Any:
    if name in end_points:
        return end_points[name]
    hint = nearest(name, end_points, shown="{!r}")
    raise UsageError(f"the net has no end point {name!r}{hint} (it has: {', '.join(end_points)})")
