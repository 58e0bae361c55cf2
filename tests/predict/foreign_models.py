"""SavedModels of other programs, for tests: ``python -m tests.predict.foreign_models FOLDER`` writes them.

Each answers as the colour graph of tests/predict/models.py does: by the mean red, green and blue of 16 x 16 pixels. A
process of its own writes them, as TensorFlow cannot be Keras 3's and TF-Slim's in one.
"""

import json
import os
import pathlib
import subprocess
import sys

WEIGHT = 8.0
LABELS = "0:red\n1:green\n2:blue\n"
CONTRACT = {
    "schema": 1,
    "image_size": 16,
    "preprocessing": "inception",
    "inputs": {"saved_model": {"range": [0, 255]}},
    "outputs": {"saved_model": {"values": "logits"}},
}

MODULE = {
    "inputs": {"saved_model": {"signature": "score"}},
    "outputs": {"saved_model": {"name": "scores", "values": "probabilities"}},
}


def describe(folder, **changes):
    """Write labels and contract beside a SavedModel."""
    (folder / "labels.txt").write_text(LABELS)
    (folder / "contract.json").write_text(json.dumps(CONTRACT | changes))


def write_all(folder):
    """Run this file as a program."""
    env = {name: value for name, value in os.environ.items() if name != "TF_USE_LEGACY_KERAS"}
    subprocess.run(
        [sys.executable, "-m", __name__, str(folder)], check=True, env=env, cwd=pathlib.Path(__file__).parents[2]
    )


def _keras(folder):
    import keras
    import numpy as np

    inputs = keras.Input((16, 16, 3), name="pixels")
    scaled = keras.layers.Rescaling(1 / 127.5, offset=-1)(inputs)
    dense = keras.layers.Dense(3, use_bias=False)
    net = keras.Model(inputs, dense(keras.layers.GlobalAveragePooling2D()(scaled)))
    dense.set_weights([WEIGHT * np.eye(3, dtype=np.float32)])
    net.export(str(folder), verbose=False)


def _module(folder):
    import tensorflow as tf

    class Net(tf.Module):
        def __init__(self):
            super().__init__()
            self.weight = tf.Variable(WEIGHT)

        @tf.function(input_signature=[tf.TensorSpec([None, 16, 16, 3], tf.float32, name="images")])
        def score(self, images):
            means = tf.reduce_mean(images, [1, 2])
            return {"scores": tf.nn.softmax(self.weight * means), "means": means}

    net = Net()
    tf.saved_model.save(net, str(folder), signatures={"score": net.score})


def _reader(folder):
    import tensorflow as tf

    class Reader(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, 16, 16, 3], tf.float32)])
        def score(self, images):
            with tf.control_dependencies([tf.io.read_file("/etc/hostname")]):
                return tf.reduce_mean(images, [1, 2])

    tf.saved_model.save(Reader(), str(folder), signatures={"serving_default": Reader().score})


if __name__ == "__main__":
    root = pathlib.Path(sys.argv[1])
    _keras(root / "keras")
    _module(root / "module" / "saved_model")
    _reader(root / "reader")
