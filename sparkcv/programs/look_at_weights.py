"""Say what weights a model holds, and what the net wants: a process of its own, for the driver imports no TensorFlow.

``python -m sparkcv.programs.look_at_weights`` reads one JSON object, what :mod:`sparkcv.driver.model_weights` asks, and
writes one: ``variables`` and ``net``, each a shape by name, or ``error``, a sentence.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from sparkcv import nets
from sparkcv.errors import CheckpointError
from sparkcv.nets.slim import model_variables, tf
from sparkcv.rundir.checkpoint import Found
from sparkcv.train import imported

__all__ = ["main"]


def main() -> int:
    """Answer the question on standard input; return the exit code, which an error in the answer does not change."""
    tf.logging.set_verbosity(tf.logging.ERROR)
    asked = json.loads(sys.stdin.read())
    try:
        answer = _look(asked)
    except CheckpointError as err:
        answer = {"error": str(err)}
    sys.stdout.write(json.dumps(answer) + "\n")
    return 0


def _look(asked: dict[str, Any]) -> dict[str, Any]:
    found = Found(-1, asked["url"], kind=asked["kind"])
    held = imported.weights(found, asked["local"], asked["model_name"])
    size = asked["image_size"]
    with tf.Graph().as_default():
        images = tf.zeros([1, size, size, asked["channels"]])
        nets.get(asked["model_name"]).build(images, asked["num_classes"], is_training=asked["is_training"])
        wanted = {variable.op.name: variable.shape.as_list() for variable in model_variables()}
    return {"variables": {name: list(value.shape) for name, value in held.items()}, "net": wanted}


if __name__ == "__main__":
    sys.exit(main())
