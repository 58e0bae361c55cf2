"""Say what variables a net has, and which a model holds: a process of its own, for the driver imports no TensorFlow.

``python -m sparkcv.programs.net_variables`` reads one JSON object, what :mod:`sparkcv.driver.net_variables` asks, and
writes one: ``trainable``, names, ``model``, each variable's shape by name, and ``held``, those of the model that was
asked of; or ``error``, a sentence.
"""

import json
import sys
from typing import Any

from sparkcv import nets
from sparkcv.errors import CheckpointError
from sparkcv.imports import exit_now
from sparkcv.nets.slim import model_variables, tf
from sparkcv.rundir.checkpoint import Found

__all__ = ["main"]


def main() -> int:
    """Answer the question on standard input; return the exit code, which an error in the answer does not change."""
    tf.logging.set_verbosity(tf.logging.ERROR)
    asked = json.loads(sys.stdin.read())
    try:
        held = _held(asked["net"]["model_name"], **asked["weights"]) if asked["weights"] else {}
        answer = {**_built(**asked["net"]), "held": held}
    except CheckpointError as err:
        answer = {"error": str(err)}
    sys.stdout.write(json.dumps(answer) + "\n")
    return 0


def _held(model_name: str, url: str, kind: str, local: list[str]) -> dict[str, list[int]]:
    from sparkcv.train import imported  # a net alone needs none of what reads a model

    weights = imported.weights(Found(-1, url, kind=kind), local, model_name)
    return {name: list(value.shape) for name, value in weights.items()}


def _built(model_name: str, image_size: int, channels: int, num_classes: int, is_training: bool) -> dict[str, Any]:
    with tf.Graph().as_default():
        images = tf.zeros([1, image_size, image_size, channels])
        nets.get(model_name).build(images, num_classes, is_training=is_training)
        return {
            "trainable": [variable.op.name for variable in tf.trainable_variables()],
            "model": {variable.op.name: variable.shape.as_list() for variable in model_variables()},
        }


if __name__ == "__main__":
    exit_now(main())
