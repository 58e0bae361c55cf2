"""Write the names of a net's variables as JSON: ``python -m sparkcv.programs.net_variables '{"model_name": ...}'``.

A process of its own builds the graph, so that the driver, which asks before anything starts, imports no TensorFlow.
"""

import json
import sys
from typing import Any

from sparkcv.nets.slim import model_variables, tf  # first: whoever imports TensorFlow without it has pandas come along

# isort: split
from sparkcv import nets

__all__ = ["main", "names_of"]


def main(words: list[str]) -> None:
    """Write what :func:`names_of` returns for the JSON object of its arguments, on one line."""
    sys.stdout.write(f"{json.dumps(names_of(**json.loads(words[0])))}\n")


def names_of(model_name: str, image_size: int, channels: int, num_classes: int) -> dict[str, list[Any]]:
    """Return the names that a net has in training: ``trainable``, and of the whole ``model``."""
    with tf.Graph().as_default():
        images = tf.zeros([1, image_size, image_size, channels])
        nets.get(model_name).build(images, num_classes, is_training=True)
        return {
            "trainable": [variable.op.name for variable in tf.trainable_variables()],
            "model": [variable.op.name for variable in model_variables()],
        }


if __name__ == "__main__":
    main(sys.argv[1:])
