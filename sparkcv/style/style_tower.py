"""What a step of a style net's training computes: the net on a batch, and its losses through a fixed net.

Johnson et al. 2016, https://arxiv.org/abs/1603.08155: content and style are end points of the fixed net, the mean
squared difference of features and of Gram matrices, and total variation keeps the picture smooth.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from sparkcv import nets, preprocess, storage
from sparkcv.config.train_style import TrainStyleConfig
from sparkcv.errors import ImageError, UsageError
from sparkcv.light_tensorflow import tf1 as tf
from sparkcv.preprocess.picture_file import PictureRules
from sparkcv.style import picture_pixels, transformer_net
from sparkcv.style.transformer_spec import TransformerSpec
from sparkcv.train import perceptual

__all__ = ["SCALES", "build_tower", "read_style", "spec_of", "style_losses"]

_VGG_MEAN = (123.68, 116.78, 103.94)
SCALES: dict[str, tuple[Any, float]] = {
    "vgg": (_VGG_MEAN, 1.0),
    "inception": (127.5, 127.5),
    "inception_square": (127.5, 127.5),
    "lenet": (128.0, 128.0),
}
"""By the family of preprocessing: what was taken off pixels of 0 to 255, and what they were divided by then."""


def spec_of(config: TrainStyleConfig) -> TransformerSpec:
    """Return the net that ``config`` trains."""
    return TransformerSpec(config.upsample, config.padding)


def read_style(url: str, size: int) -> NDArray[np.uint8]:
    """Return the picture of the style, scaled to cover a square and cropped to it: uint8 ``[size, size, 3]``.

    Raises ImageError, which names it, for what is no picture.
    """
    try:
        pixels = picture_pixels.read(storage.read_bytes(url), PictureRules())
    except ImageError as err:
        raise ImageError(f"--style_image: {url!r} is rejected, {err}") from err
    return np.asarray(ImageOps.fit(Image.fromarray(pixels), (size, size), Image.Resampling.BICUBIC))


def build_tower(config: TrainStyleConfig, style: NDArray[np.uint8]) -> Callable[..., tuple[list[Any], dict[str, Any]]]:
    """Return what builds one tower: from ``(images, labels, reuse)`` to its losses and what it shows.

    ``images`` are as the preprocessing of the fixed net gives them, float32 ``[batch, size, size, 3]``. Raises
    UsageError for a preprocessing that cannot be undone, and for end points that the net does not have.
    """
    net = nets.get(config.model_name)
    family = preprocess.get(config.preprocessing_name or net.preprocessing).name
    if family not in SCALES:
        raise UsageError(
            f"--preprocessing_name: the pixels cannot be had back from {family}; wanted one of {', '.join(SCALES)}"
        )
    middle, scale = SCALES[family]

    def tower(images: Any, labels: Any, reuse: bool | None) -> tuple[list[Any], dict[str, Any]]:
        del labels
        pixels = images * scale + middle
        with tf.variable_scope(tf.get_variable_scope(), reuse=reuse):
            made = transformer_net.stylize(pixels, spec_of(config))
        wanted = (tf.constant(style[None], tf.float32) - middle) / scale
        # One look through the net at what was made, what was given and the style: its variables are read once.
        seen = tf.concat([(made - middle) / scale, images, wanted], 0)
        seen.set_shape([None, *style.shape])
        _, end_points = net.build(seen, None, is_training=False, weight_decay=0.0, reuse=reuse)
        return style_losses(config, end_points, made), {"stylized": made}

    return tower


def style_losses(config: TrainStyleConfig, end_points: dict[str, Any], made: Any) -> list[Any]:
    """Return the weighted losses, scalars: content, style and total variation, those of weight 0 left out.

    ``end_points`` are of the pictures ``made``, of as many given ones and of the style's one, one behind the other.
    """
    batch = tf.shape(made)[0]
    got, given, style = (
        {name: point[part] for name, point in end_points.items() if point.shape.rank == 4}
        for part in (slice(None, batch), slice(batch, 2 * batch), slice(2 * batch, None))
    )
    losses = []
    if config.content_weight:
        features = dict.fromkeys(config.layers("content"), config.content_weight)
        losses.append(tf.identity(perceptual.perceptual_loss(got, given, features=features), name="content_loss"))
    if config.style_weight:
        # The mean over the elements of the Gram matrix, as the published program has it.
        weights = {
            name: config.style_weight / float(got[name].shape[-1]) ** 2 if name in got else 1.0
            for name in config.layers("style")
        }
        loss = perceptual.perceptual_loss(got, given, features={}, style=weights, style_wanted=style)
        losses.append(tf.identity(loss, name="style_loss"))
    if config.tv_weight:
        down, across = made[:, 1:] - made[:, :-1], made[:, :, 1:] - made[:, :, :-1]
        variation = tf.reduce_mean(tf.square(down)) + tf.reduce_mean(tf.square(across))
        losses.append(tf.multiply(variation, config.tv_weight, name="tv_loss"))
    return losses
