"""What a step of a training of captions computes: the encoder on a batch of pictures, and the captions' loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow.compat.v1 as tf

from sparkcv import nets
from sparkcv.caption import caption_net
from sparkcv.caption.caption_net import CaptionSpec
from sparkcv.config import TrainCaptionsConfig

__all__ = ["build_tower", "features_of"]


def features_of(model_name: str, images: Any, *, is_training: bool, **options: Any) -> Any:
    """Return what the encoder sees in preprocessed pictures: float32 ``[batch, features]``.

    ``options`` are those of :meth:`sparkcv.nets.Net.build`.
    """
    features, _ = nets.get(model_name).build(images, None, is_training=is_training, **options)
    if features.shape.rank == 4 and features.shape[1:3].as_list() != [1, 1]:
        features = tf.reduce_mean(features, [1, 2])
    return tf.reshape(features, [-1, int(features.shape[-1])])


def build_tower(
    config: TrainCaptionsConfig, num_words: int
) -> Callable[[Any, Any, bool | None], tuple[list[Any], dict[str, Any]]]:
    """Return what builds one tower: from pictures, captions and whether variables are reused to its loss.

    Captions are int64 ``[batch, longest]``, -1 behind their end. The encoder is in training only with
    ``--train_encoder``.
    """

    def drop(values: Any) -> Any:
        return tf.nn.dropout(values, rate=1 - config.lstm_dropout_keep) if config.lstm_dropout_keep < 1 else values

    def tower(images: Any, captions: Any, reuse: bool | None) -> tuple[list[Any], dict[str, Any]]:
        if captions.shape.rank == 1:  # a graph that is built for the sizes of its variables has labels
            captions = tf.tile(captions[:, None], [1, 2])
        features = features_of(
            config.model_name,
            images,
            is_training=config.train_encoder,
            weight_decay=config.weight_decay,
            batch_norm_decay=config.batch_norm_decay,
            reuse=reuse,
        )
        spec = CaptionSpec(num_words, int(features.shape[-1]), config.embedding_size, config.num_lstm_units)
        with tf.variable_scope(tf.get_variable_scope(), reuse=reuse):
            weights = caption_net.trained_weights(spec)
        loss = caption_net.loss(weights, features, captions, drop, label_smoothing=config.label_smoothing)
        return [tf.identity(loss, name="caption_loss")], {"features": features}

    return tower
