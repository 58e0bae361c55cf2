"""The losses of style transfer: content, style by Gram matrices, and total variation.

Gatys et al. 2015, https://arxiv.org/abs/1508.06576, weighed as anishathalye/neural-style weighs them: each is a mean of
squares, and a Gram matrix is divided by height * width * channels.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparkcv.light_tensorflow import tf

__all__ = [
    "LossParts",
    "Targets",
    "add_variation",
    "content_loss",
    "gram_sum",
    "mean_square",
    "total_variation",
]

Floats = NDArray[np.float32]


@dataclasses.dataclass(frozen=True)
class LossParts:
    """The weighed parts of a loss, and their sum."""

    content: float
    style: float
    tv: float

    @property
    def total(self) -> float:
        """The loss itself."""
        return self.content + self.style + self.tv


@dataclasses.dataclass(frozen=True)
class Targets:
    """What is wanted.

    Attributes:
        grams: by style layer the Gram matrix of each style, ``[styles, channels, channels]``.
        content: by content layer the content's values, ``[height, width, channels]``.
        masks: ``[styles, height, width, 1]`` of 0 to 1, of the whole picture; None where each style is wanted anywhere.
    """

    grams: dict[str, Floats]
    content: dict[str, Floats]
    masks: Floats | None = None


def gram_sum(features: Any, mask: Any = None) -> Any:
    """Return float32 ``[channels, channels]``, sums over all positions of products of channels, of one picture.

    ``features`` are ``[height, width, channels]``. ``mask``, ``[height, width, 1]``, weighs each position's values.
    """
    weighed = features if mask is None else features * mask
    flat = tf.reshape(weighed, [-1, features.shape[-1]])
    return tf.matmul(flat, flat, transpose_a=True)


def mean_square(values: Any) -> Any:
    """Return the mean of squares; by this operation its last bits are the reference's."""
    return 2.0 * tf.nn.l2_loss(values) / tf.cast(tf.size(values), values.dtype)


def add_variation(gradient: Floats, image: Floats, weight: float) -> float:
    """Return the weighed total variation of ``image``, ``[height, width, 3]``, and add its slope to ``gradient``.

    The terms are added up in the order of the reference's graph: content's and style's, then down, then right.
    """
    loss = 0.0
    with np.errstate(over="ignore", invalid="ignore"):  # what is no number is found and told by who asks
        for after, before in ((np.s_[1:], np.s_[:-1]), (np.s_[:, 1:], np.s_[:, :-1])):
            steps = image[after] - image[before]
            loss += weight * float(np.square(steps).mean(dtype=np.float64))
            steps *= np.float32(2 * weight / steps.size)
            gradient[after] += steps
            gradient[before] -= steps
    return loss


def content_loss(got: Any, wanted: Any) -> Any:
    """Return the mean of squared differences of two features of the same shape."""
    return mean_square(got - wanted)


def total_variation(images: Any) -> Any:
    """Return the means of squared differences of vertical and of horizontal neighbours, added up.

    ``images`` are float32 ``[batch, height, width, channels]`` with sides of 2 at least.
    """
    down = images[:, 1:] - images[:, :-1]
    right = images[:, :, 1:] - images[:, :, :-1]
    return mean_square(down) + mean_square(right)
