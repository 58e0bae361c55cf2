"""The checkpoint that a training of captions starts from: of the encoder alone, or of captions of any generation."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence

import tensorflow.compat.v1 as tf

from sparkcv.caption import caption_weights
from sparkcv.caption.caption_weights import FittedWeights
from sparkcv.train import imported, warmstart
from sparkcv.train.warmstart import Source

__all__ = ["fitted"]

_WORDS = {"seq_embedding/map": 0, "logits/weights": 1, "logits/biases": 0}  # the axis of words of each that has one


def fitted(source: Source, num_words: int, exclude_scopes: str | None, scratch_dir: str) -> Source:
    """Return the checkpoint as the net's variables are called, and of as many words as the dataset has.

    One of the encoder alone is ``without`` the captions' scopes. Of one of captions a copy is made in ``scratch_dir``
    where the names, or im2txt's 12000 words, are others; one whose captions are left out by ``exclude_scopes`` is
    returned as it is. Raises CheckpointError for one that cannot be read, or of another vocabulary.
    """
    shapes = warmstart.shapes_of(source)
    if not caption_weights.holds(shapes):
        return dataclasses.replace(source, without=caption_weights.SCOPES)
    if caption_weights.leaves_out(exclude_scopes):
        return source
    found = caption_weights.fit(shapes, num_words, source.url)
    if found.num_words == num_words and all(ours == theirs for ours, theirs in found.names.items()):
        return source
    prefix = os.path.join(scratch_dir, "captions-of-today.ckpt")
    _rewrite(source.prefix, found, list(shapes), num_words, prefix)
    return dataclasses.replace(source, prefix=prefix)


def _rewrite(prefix: str, found: FittedWeights, names: Sequence[str], num_words: int, output: str) -> None:
    """Write the variables of a checkpoint that are float32 as another one."""
    ours = {theirs: name for name, theirs in found.names.items()}
    reader = tf.train.load_checkpoint(prefix)
    types = reader.get_variable_to_dtype_map()
    values = {}
    for theirs in names:
        if types[theirs] != tf.float32:
            continue
        name, value = ours.get(theirs, theirs), reader.get_tensor(theirs)
        if name in _WORDS:
            value = value.take(range(num_words), axis=_WORDS[name])
        values[name] = value
    imported.write(output, values)
