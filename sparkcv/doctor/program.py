"""The program that the doctor lets a node process run: load what a training role loads, and compute something."""

import importlib
from typing import Any

from sparkcv.roles import NodeContext

__all__ = ["load"]


def load(ctx: NodeContext) -> dict[str, Any]:
    """Import the training program and multiply two matrices: where TensorFlow does not fit the CPU, it dies here."""
    del ctx
    importlib.import_module("sparkcv.programs.worker")
    tf = importlib.import_module("sparkcv.nets.slim").tf
    with tf.Graph().as_default(), tf.Session() as session:
        session.run(tf.matmul(tf.ones([256, 256]), tf.ones([256, 256])))
    return {"tensorflow": tf.__version__}
