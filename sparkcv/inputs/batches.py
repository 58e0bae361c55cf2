"""Spooled shards to batches of tensors, natively in TensorFlow: pixels never pass through Python.

For training::

    spool -> interleave -> common queue (shuffle) -> decode and augment -> ignore errors -> batch -> prefetch queue

The common queue holds *serialized* records: decoded pictures there would take ten times the memory. A record that a
decoder refuses is dropped by ``ignore_errors``, which tells nobody. But records are numbered before the decoder and
again behind it, in the same order, so the difference of the two numbers is the count of the lost, exactly, and costs
nothing. An error of the *spool* must never come to ``ignore_errors``, which would swallow it too: it ends the data
instead, and :meth:`TrainBatches.check` raises it.

With ``--input_mode preloaded`` preloaded.py has what lies before the batch. Evaluation's single pass is in one_pass.py
and exported here too.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import tensorflow.compat.v1 as tf

from sparkcv.config import TrainConfig
from sparkcv.config.train import PRELOADED
from sparkcv.inputs import pipeline, preloaded
from sparkcv.inputs.one_pass import EvalBatches, ExampleId, eval_batches
from sparkcv.inputs.spool import Spool
from sparkcv.preprocess import Preprocessing
from sparkcv.records.example import SLIM_FEATURES, FeatureNames

__all__ = ["Counts", "EvalBatches", "ExampleId", "TrainBatches", "eval_batches", "train_batches"]

COMMON_QUEUE_BATCHES = 20  # slim's capacity
_COMMON_QUEUE_BYTES = 512 << 20


@dataclasses.dataclass(frozen=True)
class Counts:
    """Where the pipeline stood when a batch was made, in records since the session began.

    ``read`` from shards (as far as the batch tells), ``tried`` by the decoder, ``delivered`` to batches.
    """

    read: int
    tried: int
    delivered: int

    @property
    def lost(self) -> int:
        """Records that the decoder refused."""
        return self.tried - self.delivered


class TrainBatches:
    """The training input of one worker in its graph; made by :func:`train_batches`.

    Attributes:
        common_capacity: records in the common queue at most.
        prefetch_capacity: batches in the prefetch queue at most.
    """

    def __init__(self, spool: Spool, queue: tf.FIFOQueue, common_capacity: int, prefetch_capacity: int) -> None:
        self._spool = spool
        self._queue = queue
        self._device = queue.queue_ref.device
        self._counts: list[tf.Tensor] = []
        self._waits: list[tf.Tensor] = []
        self._newest = np.zeros(3, np.int64)
        self.common_capacity = common_capacity
        self.prefetch_capacity = prefetch_capacity
        self._size = queue.size()

    def next_batch(self) -> tuple[tf.Tensor, tf.Tensor]:
        """Add what takes one batch from the prefetch queue; called once a clone.

        Returns images, float32 ``[batch, size, size, channels]`` in the preprocessing's range, and labels, int64
        ``[batch]`` with ``--labels_offset`` taken off, or captions, ``[batch, longest]``.
        """
        with tf.device(self._device):
            asked = tf.timestamp()
            with tf.control_dependencies([asked]):
                images, labels, counts = self._queue.dequeue()
            with tf.control_dependencies([counts]):
                self._waits.append(tf.timestamp() - asked)
        self._counts.append(counts)
        return images, labels

    @property
    def fetches(self) -> dict[str, Any]:
        """Tensors to run with each step."""
        return {"prefetch": self._size, "counts": self._counts, "waits": self._waits}

    @staticmethod
    def waited_s(values: dict[str, Any]) -> float:
        """Return the seconds that a step waited for its batches, by the values of ``fetches``."""
        return max(0.0, *map(float, values["waits"]), 0.0)  # a clock that was set back gave less than nothing

    def read(self, values: dict[str, Any]) -> tuple[Counts, int]:
        """Turn the values of ``fetches`` into counts and the number of batches in the prefetch queue."""
        self._newest = np.maximum(self._newest, np.max(values["counts"], axis=0))
        return Counts(*(int(number) for number in self._newest)), int(values["prefetch"])

    def common_gauge(self, counts: Counts) -> tuple[int, int]:
        """Return the common queue's fill: records read and not yet handed to the decoder, and its capacity."""
        return min(self.common_capacity, max(0, counts.read - counts.tried)), self.common_capacity

    def in_flight(self) -> int:
        """Return how many records at most are between the shards and a step."""
        batch = self._queue.shapes[1].as_list()[0]
        return self.common_capacity + batch * (self.prefetch_capacity + 2 + len(self._counts)) + 64

    def check(self) -> None:
        """Raise what ended the spool, if anything went wrong there."""
        if self._spool.error is not None:
            raise self._spool.error


def train_batches(
    spool: Spool,
    config: TrainConfig,
    preprocessing: Preprocessing,
    *,
    image_size: int,
    device: str = "/cpu:0",
    seed: int = 0,
    first_picture: int = 0,
    record_bytes: float = 0.0,
    names: FeatureNames = SLIM_FEATURES,
) -> TrainBatches:
    """Add the training input to the default graph; the caller opens and closes the spool.

    ``device`` is this worker's CPU, such as ``/job:worker/task:1/cpu:0``: a queue on another role's machine would send
    each picture over the network. ``record_bytes``, the mean size of a record, keeps the common queue within 512 MB.
    ``names`` are the features of picture and label. Augmentations are drawn by ``seed`` and a picture's number in the
    run, which starts at ``first_picture``: a resumed run goes on, and does not draw the same again.
    The prefetch queue is filled by a queue runner, which a MonitoredSession starts.
    """
    common_capacity = COMMON_QUEUE_BATCHES * config.batch_size
    if record_bytes > 0:
        common_capacity = min(common_capacity, max(2 * config.batch_size, int(_COMMON_QUEUE_BYTES / record_bytes)))
    prefetch_capacity = max(2, 2 * config.num_clones)
    reading = pipeline.Reading(names, config.labels_offset, config.jpeg_arithmetic, config.exif_orientation)

    def prepare(number: tf.Tensor, picture: pipeline.EncodedPicture) -> tf.Tensor:
        picture = dataclasses.replace(picture, draw=tf.stack([seed, first_picture + number]))
        return preprocessing.for_train(
            picture, image_size, use_grayscale=config.use_grayscale, min_crop_area=config.min_crop_area
        )

    def decode(number: tf.Tensor, serialized: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        picture, label, _ = pipeline.parse(serialized, reading, (seed, first_picture + number))
        return prepare(number, picture), label

    def from_files() -> tf.data.Dataset:
        records = pipeline.shards(spool).interleave(
            pipeline.records(spool), cycle_length=spool.num_readers, block_length=1
        )
        tried = records.enumerate().shuffle(common_capacity, seed=seed).enumerate()
        decoded = tried.map(
            pipeline.plain(lambda number, item: (number, item[0], *decode(number, item[1]))),
            num_parallel_calls=config.num_preprocessing_threads,
            deterministic=True,  # else the two numbers would not differ by the lost
        )
        return decoded.ignore_errors().enumerate()

    with tf.device(device), tf.name_scope("inputs"):
        if config.input_mode == PRELOADED:
            numbered = preloaded.examples(
                spool,
                reading,
                prepare,
                num_records=spool.quarantine.total,
                seed=seed + first_picture,
                num_threads=config.num_preprocessing_threads,
            )
        else:
            numbered = from_files()
        batched = numbered.batch(config.batch_size, drop_remainder=True)
        iterator = pipeline.iterate(batched, config.num_preprocessing_threads)
        delivered, (number, read, images, labels) = iterator.get_next()
        counts = 1 + tf.stack([tf.reduce_max(each) for each in (read, number, delivered)])
        queue = tf.FIFOQueue(
            prefetch_capacity,
            [images.dtype, labels.dtype, counts.dtype],
            [images.shape, labels.shape, counts.shape],
            name="prefetch_queue",
        )
        ends = (tf.errors.OutOfRangeError, tf.errors.CancelledError)
        runner = tf.train.QueueRunner(
            queue, [queue.enqueue([images, labels, counts])], queue_closed_exception_types=ends
        )
        tf.train.add_queue_runner(runner)
        return TrainBatches(spool, queue, common_capacity, prefetch_capacity)
