"""Differences between versions of TensorFlow, for programs that have to run on several."""

import os
import tempfile
from typing import Any

import tensorflow as tf

from sparkcv import storage

__all__ = ["disable_auto_shard", "export_saved_model", "is_gpu_available"]


def export_saved_model(model: Any, export_dir: str, is_chief: bool = False) -> None:
    """Write ``model`` as a SavedModel to ``export_dir``, any storage URL; all but the chief write nothing there.

    All have to call it: where variables are mirrored, reading them is the work of all.
    """
    with tempfile.TemporaryDirectory(prefix="saved-model-") as folder:
        local = os.path.join(folder, "model")
        if any(cls.__module__.startswith("tf_keras.") for cls in type(model).__mro__):
            model.save(local, save_format="tf")  # its signatures have the layers' names, as pipelines expect them
        elif hasattr(model, "export"):
            model.export(local, verbose=False)  # Keras 3 writes SavedModels no other way
        else:
            tf.saved_model.save(model, local)
        if is_chief:
            storage.publish_dir(local, storage.resolve(export_dir), overwrite=True)


def disable_auto_shard(options: Any) -> None:
    """Let every worker read all of a dataset with these ``tf.data.Options``."""
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF


def is_gpu_available() -> bool:
    """Return whether TensorFlow sees a GPU here."""
    return bool(tf.config.list_physical_devices("GPU"))
