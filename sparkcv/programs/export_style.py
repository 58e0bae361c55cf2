"""Export a style net as a SavedModel: a process of its own, for the driver imports no TensorFlow.

``python -m sparkcv.programs.export_style WEIGHTS FOLDER`` reads ``transformer.npz`` and writes a SavedModel to FOLDER:
from ``input`` to ``stylized``, both float32 ``[batch, height, width, 3]`` of 0 to 255. It loads that again, has it and
the net in strips stylize one picture, and writes one JSON object: ``difference``, the largest between the two.
"""

import json
import sys

import numpy as np

from sparkcv.imports import exit_now
from sparkcv.light_tensorflow import tf1 as tf
from sparkcv.style import transformer_net, transformer_weights
from sparkcv.style.strips import StripNet

__all__ = ["main"]

_INPUT, _OUTPUT = "input", "stylized"
_SIDES = (50, 67)


def main(argv: list[str]) -> int:
    """Export; return the exit code."""
    tf.logging.set_verbosity(tf.logging.ERROR)
    weights, folder = transformer_weights.load(argv[0]), argv[1]
    with tf.Graph().as_default(), tf.Session() as session:
        pixels = tf.placeholder(tf.float32, [None, None, None, 3], name=_INPUT)
        made = transformer_net.stylize(pixels, weights.spec, transformer_net.constants(weights.arrays))
        tf.saved_model.simple_save(session, folder, {_INPUT: pixels}, {_OUTPUT: tf.identity(made, name=_OUTPUT)})
    picture = np.random.default_rng(0).integers(0, 256, (*_SIDES, 3), np.uint8)
    with tf.Graph().as_default(), tf.Session() as session:
        tf.saved_model.load(session, [tf.saved_model.tag_constants.SERVING], folder)
        got = session.run(f"{_OUTPUT}:0", {f"{_INPUT}:0": picture[None].astype(np.float32)})[0]
    net = StripNet(weights, 0, strip_pixels=_SIDES[0] * _SIDES[1])
    difference = float(np.abs(got - net.stylize(picture)).max())
    net.close()
    sys.stdout.write(json.dumps({"difference": difference}) + "\n")
    return 0


if __name__ == "__main__":
    exit_now(main(sys.argv[1:]))
