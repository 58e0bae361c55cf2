"""A model's weights as a checkpoint on this machine, so that whoever restores a checkpoint restores them too."""

from __future__ import annotations

import os
from collections.abc import Mapping

import numpy as np
import tensorflow.compat.v1 as tf
from numpy.typing import NDArray

from sparkcv import logs
from sparkcv.errors import CheckpointError
from sparkcv.rundir import checkpoint, checkpoint_model
from sparkcv.rundir.checkpoint import Found
from sparkcv.train import constants, tflite

__all__ = ["fetch", "weights", "write"]

_log = logs.get(__name__)


def fetch(found: Found, scratch_dir: str, model_name: str) -> str:
    """Fetch a checkpoint, or a model whose weights are made one; return the local prefix for TensorFlow.

    Raises CheckpointError for a model whose weights cannot be those of the net ``model_name``.
    """
    if not found.kind:
        return checkpoint.fetch(found, scratch_dir)
    found_weights = weights(found, checkpoint_model.fetch(found, scratch_dir), model_name)
    prefix = os.path.join(scratch_dir, "started-from.ckpt")
    write(prefix, found_weights)
    _log.info("%d variables of %s taken from the %s %s", len(found_weights), model_name, found.kind, found.prefix_url)
    return prefix


def weights(found: Found, local: list[str], model_name: str) -> dict[str, NDArray[np.float32]]:
    """Return the variables of a model whose files, or folder, were fetched to ``local``."""
    if found.kind == checkpoint_model.TFLITE:
        got = tflite.variables(local, found.prefix_url.split(","), model_name)
    else:
        read = constants.of_graph if found.kind == checkpoint_model.GRAPH else constants.of_saved_model
        got = read(local[0], found.prefix_url, model_name)
    for name, value in got.items():
        if not np.isfinite(value).all():
            raise CheckpointError(f"{found.prefix_url!r} holds a value of {name} that is not a number")
    return got


def write(prefix: str, values: Mapping[str, NDArray[np.float32]]) -> None:
    """Write values by their names as a checkpoint of this prefix."""
    names = sorted(values)
    with tf.Graph().as_default(), tf.Session() as session:  # fed, for a graph holds no more than 2 GB
        fed = [tf.placeholder(tf.float32, values[name].shape) for name in names]
        save = tf.raw_ops.SaveV2(prefix=prefix, tensor_names=names, shape_and_slices=[""] * len(names), tensors=fed)
        session.run(save, {tensor: values[name] for tensor, name in zip(fed, names, strict=True)})
