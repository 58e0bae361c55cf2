"""Preloaded data: a small dataset decoded once, and its pixels held in the worker's memory for all later epochs.

TensorFlow's guide to reading data has three ways: feeding, reading from files, and preloaded data. A dataset that fits
in memory is read, checked and decoded once; then each epoch only augments. What is held is what the decoder gives,
before any crop, upright and uint8: the random part of the preprocessing stays random.
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow.compat.v1 as tf

from sparkcv.inputs import pipeline
from sparkcv.inputs.spool import Spool
from sparkcv.preprocess import decode

__all__ = ["examples"]


def examples(
    spool: Spool,
    reading: pipeline.Reading,
    prepare: Callable[[tf.Tensor, pipeline.EncodedPicture], tf.Tensor],
    *,
    num_records: int,
    seed: int,
    num_threads: int,
) -> tf.data.Dataset:
    """Return (delivered, (tried, read, image, label)) of picture after picture, epoch after epoch, shuffled in each.

    The numbers are those of the first epoch's way through the decoder, as batches.py counts them. ``prepare`` maps a
    picture's number in the run and the picture to the image. The spool must have been opened with ``num_epochs=1``.
    """

    def decoded(number: tf.Tensor, item: tuple[tf.Tensor, tf.Tensor]) -> tuple[tf.Tensor, ...]:
        picture, label, _ = pipeline.parse(item[1], reading)
        return number, item[0], decode.decode(picture), label

    def prepared(
        number: tf.Tensor, held: tuple[tf.Tensor, tuple[tf.Tensor, ...]]
    ) -> tuple[tf.Tensor, tuple[tf.Tensor, ...]]:
        delivered, (tried, read, pixels, label) = held
        picture = pipeline.EncodedPicture(tf.constant(b""), pixels=pixels)
        return delivered, (tried, read, prepare(number, picture), label)

    records = pipeline.shards(spool).interleave(pipeline.records(spool), cycle_length=spool.num_readers, block_length=1)
    tried = records.enumerate().enumerate()
    pixels = tried.map(pipeline.plain(decoded), num_parallel_calls=num_threads, deterministic=True)
    held = pixels.ignore_errors().enumerate().cache()
    shuffled = held.shuffle(max(1, num_records), seed=seed, reshuffle_each_iteration=True).repeat()
    return shuffled.enumerate().map(pipeline.plain(prepared), num_parallel_calls=num_threads, deterministic=True)
