"""The character CNN-RNN of Reed et al. 2016 (https://arxiv.org/abs/1605.05395): characters of a text to one vector.

Three convolutions over characters, each with a maximum over neighbours behind it, leave eight places of a text of 201
characters; a recurrent net with ReLU reads them in order, and the mean of its eight states, reduced, is the text. The
paper trains it beforehand against features of pictures, and its widths are 384, 512 and 256: here it is a part of the
discriminator, and the widths keep these ratios.
"""

from __future__ import annotations

from typing import Any

from sparkcv.nets.slim import quiet, slim, tf
from sparkcv.records import characters

__all__ = ["encode"]

_WINDOW = 4
_POOLS = ((3, 3), (3, 3), (3, 2))  # places of which the maximum is taken, and the step to the next ones
_FIRST_STDDEV = 0.5  # of a window that has four ones among zeros: so what comes out is about 1
_LAST_GAIN = 100.0  # texts have most of what comes out in common: with less, they are told apart late


def encode(size: int, texts: Any, scope: str, *, reuse: bool | None = None) -> Any:
    """Return float32 ``[batch, size]`` of int64 ids ``[batch, characters.LENGTH]``, -1 behind the end of a text."""
    widths = (size * 3 // 2, size * 2, size)
    first = tf.random_normal_initializer(stddev=_FIRST_STDDEV)
    later = tf.variance_scaling_initializer(2.0)
    with quiet(), tf.variable_scope(scope, reuse=reuse):
        net = tf.one_hot(texts, characters.ALPHABET_SIZE)
        for number, (width, (window, stride)) in enumerate(zip(widths, _POOLS, strict=True)):
            net = slim.conv1d(
                net,
                width,
                _WINDOW,
                padding="VALID",
                weights_initializer=later if number else first,
                scope=f"conv{number}",
            )
            net = tf.nn.max_pool1d(net, window, stride, "VALID")
        seen = slim.fully_connected(net, size, activation_fn=None, scope="seen")
        recurrent = slim.model_variable("recurrent", [size, size], initializer=tf.orthogonal_initializer())
        states = [tf.nn.relu(seen[:, 0])]
        for place in range(1, int(net.shape[1])):
            states.append(tf.nn.relu(seen[:, place] + tf.matmul(states[-1], recurrent)))
        return slim.fully_connected(
            tf.add_n(states) / len(states),
            size,
            activation_fn=None,
            weights_initializer=tf.variance_scaling_initializer(_LAST_GAIN),
            scope="text",
        )
