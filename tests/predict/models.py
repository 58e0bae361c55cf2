"""Model folders for tests, round a graph small enough to know its answers by heart."""

import pathlib

from sparkcv import storage
from sparkcv.predict import manifest as manifests
from sparkcv.predict.manifest import ModelManifest
from sparkcv.records import labels

COLORS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}


def color_graph(size, batch_size=None, weight=8.0):
    """A frozen graph that tells the colour of a picture: softmax of its mean red, green and blue."""
    import tensorflow.compat.v1 as tf

    with tf.Graph().as_default() as graph:
        images = tf.placeholder(tf.float32, [batch_size, size, size, 3], name="input")
        tf.nn.softmax(weight * tf.reduce_mean(images, [1, 2]), name="probabilities")
        return graph.as_graph_def().SerializeToString()


def write_folder(folder, graph, *, names=tuple(COLORS), **changes):
    """Write a model folder round a frozen graph; returns its manifest."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / manifests.FROZEN_GRAPH).write_bytes(graph)
    (folder / manifests.LABELS).write_text(labels.format_labels(names))
    fields = {
        "model_name": "colors",
        "image_size": 16,
        "num_classes": len(names),
        "preprocessing": "inception",
        "use_grayscale": False,
        "labels_offset": 0,
        "batch_size": None,
        "step": 7,
        "run": "/runs/colors/model.ckpt-7",
        "created": "2026-01-01T00:00:00Z",
        "inputs": {},
        "outputs": {},
        "files": manifests.describe_files(str(folder)),
    }
    manifest = ModelManifest(**(fields | changes))
    storage.write_bytes(str(folder / manifests.FILE_NAME), manifest.to_bytes())
    return manifest
