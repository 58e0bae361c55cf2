"""A small transformer net, trained for a minute or two in this process: what the gallery shows where none is given.

``sparkcv style train`` trains a whole one on Spark; here there are three blocks of half the channels, and crops of few
pictures.
"""

import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from sparkcv.nets.slim import tf  # first: whoever imports TensorFlow without it has pandas come along

# isort: split
from sparkcv.style import transformer_net, transformer_weights, vgg19
from sparkcv.style.transformer_spec import TransformerSpec
from sparkcv.style.transformer_weights import TransformerWeights
from sparkcv.train import perceptual

__all__ = ["train"]

_SPEC = TransformerSpec(filters=(16, 32, 64), num_blocks=3)
_SIDE, _BATCH, _RATE = 96, 2, 2e-3
_CONTENT, _STYLE = "relu3_1", ("relu1_1", "relu2_1", "relu3_1", "relu4_1")
_TV = 1e-6  # of the content's loss at the start, which the weights of the network decide


def train(network: str, pictures: Sequence[Image.Image], style: Image.Image, steps: int, path: pathlib.Path) -> Any:
    """Train a net for ``style`` on crops of ``pictures`` and write it to ``path``; return the loss of each step."""
    weights, random, losses = vgg19.load(network), np.random.default_rng(0), []
    wanted = np.asarray(style, np.float32)[None]
    with tf.Graph().as_default(), tf.Session() as session:
        given = tf.placeholder(tf.float32, [_BATCH, _SIDE, _SIDE, 3])
        made = transformer_net.stylize(given, _SPEC)
        of_made, of_given = (_seen(pixels, weights) for pixels in (made, given))
        grams = {name: perceptual.gram_matrix(value) for name, value in _seen(tf.constant(wanted), weights).items()}
        known = session.run(grams)
        content = perceptual.feature_loss(of_made[_CONTENT], of_given[_CONTENT])
        # Each layer's difference over the style's own, and the content's over its own: no weight of a net to look up.
        differences = [
            tf.reduce_mean(tf.reduce_sum(tf.square(perceptual.gram_matrix(of_made[name]) - known[name]), [1, 2]))
            / np.square(known[name]).sum()
            for name in _STYLE
        ]
        own = tf.stop_gradient(tf.reduce_mean(tf.square(of_given[_CONTENT])))
        loss = content / own + 2.0 * tf.add_n(differences) + _TV * tf.reduce_sum(tf.image.total_variation(made))
        step = tf.train.AdamOptimizer(_RATE).minimize(loss)
        session.run(tf.global_variables_initializer())
        for _ in range(steps):
            crops = np.stack([_crop(random, pictures) for _ in range(_BATCH)])
            losses.append(float(session.run([loss, step], {given: crops})[0]))
        arrays = dict(zip(_SPEC.variables(), session.run([_variable(name) for name in _SPEC.variables()]), strict=True))
    path.write_bytes(transformer_weights.dump(TransformerWeights(_SPEC, arrays, str(path))))
    return losses


def _seen(pixels: Any, weights: Any) -> dict[str, Any]:
    return vgg19.features(pixels - weights.mean_pixel.astype(np.float32), weights, {_CONTENT, *_STYLE})


def _variable(name: str) -> Any:
    return next(one for one in tf.global_variables() if one.op.name == name)


def _crop(random: np.random.Generator, pictures: Sequence[Image.Image]) -> Any:
    picture = pictures[int(random.integers(len(pictures)))]
    scale = max(random.uniform(0.5, 1.0), (_SIDE + 1) / min(picture.size))
    small = picture.resize((round(picture.width * scale), round(picture.height * scale)))
    left, top = (int(random.integers(side - _SIDE + 1)) for side in small.size)
    pixels = np.asarray(small.crop((left, top, left + _SIDE, top + _SIDE)), np.float32)
    return pixels[:, ::-1] if random.random() < 0.5 else pixels
