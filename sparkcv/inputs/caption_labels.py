"""What stands for the label of a picture with captions: one of them, and what tells it from those of other pictures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow.compat.v1 as tf

from sparkcv.records import characters
from sparkcv.records.captioned import CAPTION, CAPTION_IDS, CAPTION_VECTORS
from sparkcv.records.example import FeatureNames

__all__ = ["divide", "label", "wanted"]

_SALT = 7919
_NUM_DIGESTS = 2**62


def wanted(names: FeatureNames) -> dict[str, Any]:
    """Return the lists of a SequenceExample that a label is made of."""
    ids = {CAPTION_IDS: tf.io.VarLenFeature(tf.int64)}
    if names.characters:
        return {**ids, CAPTION: tf.io.VarLenFeature(tf.string)}
    if names.vector:
        return {**ids, CAPTION_VECTORS: tf.io.FixedLenSequenceFeature([names.vector], tf.float32)}
    return ids


def label(found: Mapping[str, Any], names: FeatureNames, draw: Any) -> Any:
    """Return one of the captions of a record, of either form that :mod:`sparkcv.records.captioned` has.

    Int64 ``[longest]``, ids and -1 behind their end. With ``names.digests`` it is ``[text + 1 + digests]``: the text,
    its digest, and those of all captions of the picture, -1 behind them. With ``names.vector`` the text is the bits of
    its vector's float32 numbers, with ``names.characters`` ids of its characters, -1 behind their end.
    """
    captions = _by_caption(found[CAPTION_IDS], -1)
    of_captions = tf.stack([draw[0] + _SALT, draw[1]])  # else it would follow from the picture's augmentation
    number = tf.random.stateless_uniform([], of_captions, maxval=tf.shape(captions)[0], dtype=tf.int32)
    if names.characters:
        words = _by_caption(found[CAPTION], "")[number]
        text = _characters(words[: tf.math.count_nonzero(captions[number] >= 0, dtype=tf.int32)])
    elif names.vector:
        vectors = tf.ensure_shape(found[CAPTION_VECTORS], [None, names.vector])
        text = tf.cast(tf.bitcast(vectors[number], tf.int32), tf.int64)
    else:
        text = _padded(captions[number], names.longest)
    if not names.digests:
        return text
    digests = _digests(captions)
    return tf.concat([text, digests[number][None], _padded(digests, names.digests)], 0)


def divide(labels: Any, names: FeatureNames) -> tuple[Any, Any, Any]:
    """Return the parts of a batch of labels with digests: texts, their digests, those of all captions of each picture.

    Texts are float32 ``[batch, vector]``, or int64 ``[batch, longest]``, or of as many characters; digests are int64
    ``[batch]`` and ``[batch, digests]``.
    """
    size = names.text_size
    texts = labels[:, :size]
    if names.vector:
        texts = tf.bitcast(tf.cast(texts, tf.int32), tf.float32)
    return texts, labels[:, size], labels[:, size + 1 :]


def _by_caption(found: Any, default: Any) -> Any:
    """Return a list of a record, of either form, as ``[captions, words]``, ``default`` behind the end of each."""
    values = tf.sparse.to_dense(found, default_value=default)
    return tf.cond(tf.equal(tf.shape(values)[1], 1), lambda: tf.transpose(values), lambda: values)


def _characters(words: Any) -> Any:
    """Return the ids of the characters between the begin and the end of a caption: int64 ``[characters.LENGTH]``."""
    text = tf.strings.substr(tf.strings.reduce_join(words[1:-1], separator=" "), 0, characters.LENGTH)
    codes = tf.cast(tf.io.decode_raw(text, tf.uint8), tf.int32)
    return _padded(tf.gather(tf.constant(characters.BYTES, tf.int64), codes), characters.LENGTH)


def _padded(values: Any, size: int) -> Any:
    """Return int64 ``[size]``: the values, and -1 behind them."""
    padded = tf.pad(values[:size], [[0, tf.maximum(0, size - tf.shape(values)[0])]], constant_values=-1)
    return tf.ensure_shape(padded, [size])


def _digests(captions: Any) -> Any:
    """Return a digest of each caption, which other captions of the record do not change: int64 ``[captions]``."""
    words = tf.where(captions >= 0, tf.strings.as_string(captions), tf.fill(tf.shape(captions), ""))
    texts = tf.strings.strip(tf.strings.reduce_join(words, axis=1, separator=" "))
    return tf.strings.to_hash_bucket_fast(texts, _NUM_DIGESTS)
