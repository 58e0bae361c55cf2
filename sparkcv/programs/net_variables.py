"""Write the variables of a net as JSON: ``python -m sparkcv.programs.net_variables '{"model_name": "lenet", ...}'``.

A process of its own builds the graph, so that the driver, which asks before anything starts, imports no TensorFlow.
"""

import json
import sys
from typing import Any

from sparkcv.nets.slim import model_variables, tf  # first: whoever imports TensorFlow without it has pandas come along

# isort: split
from sparkcv import nets

__all__ = ["main", "variables_of"]


def main(words: list[str]) -> None:
    """Write what :func:`variables_of` returns for the JSON object of its arguments, on one line."""
    sys.stdout.write(f"{json.dumps(variables_of(**json.loads(words[0])))}\n")


def variables_of(model_name: str, image_size: int, channels: int, num_classes: int) -> dict[str, Any]:
    """Return what a net has in training: the names of ``trainable`` variables, and ``model``, each one's shape by name.

    Pictures are ``[batch, image_size, image_size, channels]``.
    """
    with tf.Graph().as_default():
        images = tf.zeros([1, image_size, image_size, channels])
        nets.get(model_name).build(images, num_classes, is_training=True)
        return {
            "trainable": [variable.op.name for variable in tf.trainable_variables()],
            "model": {variable.op.name: variable.shape.as_list() for variable in model_variables()},
        }


if __name__ == "__main__":
    main(sys.argv[1:])
