"""The losses of GAN-CLS: real pictures with their texts, real ones with another's, and made ones."""

from __future__ import annotations

from typing import Any, NamedTuple

import tensorflow.compat.v1 as tf

__all__ = ["GanLosses", "GanWeights", "losses", "wrong_of"]


class GanLosses(NamedTuple):
    """Scalars: the discriminator's three, as they are summed, and the generator's."""

    real: Any
    wrong: Any
    fake: Any
    generator: Any


class GanWeights(NamedTuple):
    """How the discriminator's losses count.

    ``share`` is of wrong and made pictures, a half in the paper and one in its TensorFlow form; ``real_target`` is what
    real pictures are to be taken for.
    """

    share: float = 0.5
    real_target: float = 1.0


PAPER = GanWeights()


def losses(real: Any, wrong: Any, fake: Any, has_wrong: Any, weights: GanWeights = PAPER) -> GanLosses:
    """Return the losses by the discriminator's logits ``[batch]``.

    ``has_wrong`` is float32 ``[batch]``, 0 where there was no picture of another caption; such rows do not count.
    """
    share = weights.share
    of_wrong = _cross_entropy(wrong, 0.0) * has_wrong
    return GanLosses(
        tf.reduce_mean(_cross_entropy(real, weights.real_target)),
        share * tf.reduce_sum(of_wrong) / tf.maximum(tf.reduce_sum(has_wrong), 1.0),
        share * tf.reduce_mean(_cross_entropy(fake, 0.0)),
        tf.reduce_mean(_cross_entropy(fake, 1.0)),
    )


def wrong_of(texts: Any, all_texts: Any, seed: int | None = None) -> tuple[Any, Any]:
    """Draw for each text of a batch the index of a picture that none of whose captions is that text.

    ``texts`` are the digests of the texts drawn, int64 ``[batch]``; ``all_texts`` those of all captions of each
    picture, int64 ``[batch, most]``. Return indices int32 ``[batch]``, and float32 ``[batch]``: 0 where there is none.
    """
    is_other = tf.reduce_all(tf.not_equal(texts[:, None, None], all_texts[None, :, :]), axis=2)
    score = tf.random.uniform(tf.shape(is_other), seed=seed) + tf.cast(is_other, tf.float32)
    return tf.argmax(score, axis=1, output_type=tf.int32), tf.cast(tf.reduce_any(is_other, axis=1), tf.float32)


def _cross_entropy(logits: Any, target: float) -> Any:
    targets = tf.fill(tf.shape(logits), target)
    return tf.nn.sigmoid_cross_entropy_with_logits(labels=targets, logits=logits)
