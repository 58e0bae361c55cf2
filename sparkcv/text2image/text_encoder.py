"""What a text is to both nets: a vector that was supplied, or one that an encoder of its words or characters makes.

The encoder is trained in the run as a part of the discriminator, which has to know whether a text is a picture's; the
generator is given what it makes. Of words, each is a vector; three neighbours are seen together, so that order counts.
"""

from __future__ import annotations

from typing import Any

from sparkcv.nets import gan_cls, parts
from sparkcv.nets.slim import quiet, slim, tf
from sparkcv.text2image import character_encoder
from sparkcv.text2image.gan_spec import DISCRIMINATOR, GanSpec

__all__ = ["encode"]

_NEIGHBOURS = 3
_STDDEV = 0.5  # of words: with much less, a text is noise beside what is seen, and is learned late


def encode(spec: GanSpec, texts: Any, *, reuse: bool | None = None) -> Any:
    """Return float32 ``[batch, features]``.

    ``texts`` are float32 vectors ``[batch, text_size]``, which are returned, or int64 ids ``[batch, text_size]`` of
    words or characters, -1 behind their end.
    """
    if not spec.has_encoder:
        return texts
    if spec.by_characters:
        return character_encoder.encode(spec.word_size, texts, f"{DISCRIMINATOR}/characters", reuse=reuse)
    with quiet(), tf.variable_scope(f"{DISCRIMINATOR}/words", reuse=reuse):
        words = slim.model_variable(
            "map", [spec.num_words, spec.word_size], initializer=tf.random_normal_initializer(stddev=_STDDEV)
        )
        is_there = tf.cast(texts >= 0, tf.float32)[:, :, None]
        read = parts.rows(words, tf.maximum(texts, 0)) * is_there
        order = slim.conv1d(
            read,
            spec.word_size,
            _NEIGHBOURS,
            activation_fn=gan_cls.leaky,  # else neighbours would add up to the same in any order
            weights_initializer=tf.random_normal_initializer(stddev=0.1),
            scope="neighbours",
        )
        both = (read + order) * is_there
        return tf.reduce_sum(both, 1) / tf.sqrt(tf.maximum(tf.reduce_sum(is_there, 1), 1.0))
