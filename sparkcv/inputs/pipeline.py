"""The parts that training and evaluation pipelines share: from a spool to records, from a record to its features."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow.compat.v1 as tf

from sparkcv.errors import DataError, ImageError, SparkcvError, StorageError
from sparkcv.inputs import caption_labels
from sparkcv.inputs.spool import Spool
from sparkcv.preprocess import EncodedPicture
from sparkcv.records import image_header
from sparkcv.records.example import SLIM_FEATURES, FeatureNames

__all__ = ["AS_SLIM", "EncodedPicture", "Reading", "iterate", "own_orientation", "parse", "plain", "records", "shards"]

_EXTRA_THREADS = 2  # one may wait in Python for the spool, one moves batches


@dataclasses.dataclass(frozen=True)
class Reading:
    """How records are read.

    Attributes:
        names: the features that hold picture and label.
        labels_offset: subtracted from every label.
        jpeg_arithmetic: see :class:`sparkcv.preprocess.EncodedPicture`.
        use_exif: turn a picture as its own EXIF or XMP says, where its record has no ``image/orientation``.
    """

    names: FeatureNames = SLIM_FEATURES
    labels_offset: int = 0
    jpeg_arithmetic: str = "accurate"
    use_exif: bool = False


AS_SLIM = Reading()
"""TF-Slim's features, and labels as they are."""

plain = tf.autograph.experimental.do_not_convert  # our functions are graph code already


def shards(spool: Spool) -> tf.data.Dataset:
    """Return (path, ticket, source) of shard after shard of a spool, whose errors end the data."""

    def generate() -> Iterator[tuple[str, int, int]]:
        try:
            for shard in spool:
                if not os.path.exists(shard.path):  # a missing file would pass as an error to be ignored, for ever
                    raise StorageError(f"the spooled shard {shard.path!r} is gone; wanted a scratch folder that stays")
                yield shard.path, shard.ticket, shard.source
        except SparkcvError as err:
            spool.fail(err)
        except Exception as err:
            spool.fail(DataError(f"the spool failed: {type(err).__name__}: {err}"))
            raise

    signature = tuple(tf.TensorSpec((), dtype) for dtype in (tf.string, tf.int64, tf.int64))
    return tf.data.Dataset.from_generator(generate, output_signature=signature)


def records(spool: Spool) -> Callable[..., tf.data.Dataset]:
    """Return what maps (path, ticket, source) to the serialized records of a shard and releases it at its end."""

    def release(ticket: np.int64) -> bytes:
        spool.release(int(ticket))
        return b""

    def released(ticket: tf.Tensor) -> tf.Tensor:
        nothing = tf.numpy_function(release, [ticket], tf.string)
        nothing.set_shape(())
        return nothing

    def read(path: tf.Tensor, ticket: tf.Tensor, source: tf.Tensor) -> tf.data.Dataset:
        del source
        end = tf.data.Dataset.from_tensors(ticket).map(plain(released))
        end = end.filter(plain(lambda nothing: tf.not_equal(nothing, "")))
        return tf.data.TFRecordDataset(path).concatenate(end)

    return plain(read)


def parse(serialized: tf.Tensor, reading: Reading, draw: Any = (0, 0)) -> tuple[EncodedPicture, tf.Tensor, tf.Tensor]:
    """Return encoded picture, label less the offset, and file name of one record.

    Of a record with captions the label is one of them, as ``draw``, two integers, draws it: int64 ``[longest]``, -1
    behind its end; see :mod:`sparkcv.inputs.caption_labels` for what else it may be.
    """
    names = reading.names
    wanted = {
        names.image: tf.io.FixedLenFeature([], tf.string),
        "image/filename": tf.io.FixedLenFeature([], tf.string, default_value=""),
        "image/orientation": tf.io.FixedLenFeature([], tf.int64, default_value=0),
    }
    if names.longest:
        features, found = tf.io.parse_single_sequence_example(serialized, wanted, caption_labels.wanted(names))
        label = caption_labels.label(found, names, draw)
    else:
        wanted[names.label] = tf.io.FixedLenFeature([], tf.string if names.texts else tf.int64)
        features = tf.io.parse_single_example(serialized, wanted)
        label = features[names.label]
    encoded, orientation = features[names.image], features["image/orientation"]
    if names.texts:
        texts = [text.encode("utf-8", "surrogateescape") for text in names.texts]
        label = tf.argmax(tf.cast(tf.equal(tf.constant(texts), label), tf.int64))  # a check let only these through
    if reading.use_exif:
        orientation = tf.cond(
            tf.equal(orientation, 0),
            lambda: tf.numpy_function(_own_orientation, [encoded], tf.int64),
            lambda: orientation,
        )
        orientation.set_shape([])
    picture = EncodedPicture(encoded, orientation, reading.jpeg_arithmetic)
    return picture, label - reading.labels_offset, features["image/filename"]


def own_orientation(encoded: bytes) -> int:
    """Return the orientation, 1 to 8, that a picture's own EXIF or XMP tells; 1 where it tells none."""
    try:
        return image_header.probe(encoded, formats=image_header.NATIVE_FORMATS, max_pixels=2**32).orientation
    except ImageError:
        return 1  # the decoder will say what is wrong


def _own_orientation(encoded: bytes) -> np.int64:
    return np.int64(own_orientation(encoded))


def iterate(dataset: tf.data.Dataset, num_threads: int) -> Any:
    """Make the one iterator of a dataset, initialized with the session's tables."""
    options = tf.data.Options()
    # Its own threads: a wait for the spool must not hold one that the training step needs.
    options.threading.private_threadpool_size = num_threads + _EXTRA_THREADS
    options.threading.max_intra_op_parallelism = 1
    options.autotune.enabled = False
    iterator = tf.data.make_initializable_iterator(dataset.with_options(options))
    tf.add_to_collection(tf.GraphKeys.TABLE_INITIALIZERS, iterator.initializer)
    return iterator
