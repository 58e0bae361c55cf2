"""What a net looks like from outside, as data; ``python -m tests.nets.goldens`` writes goldens.json anew."""

import functools
import hashlib
import json
import pathlib

from sparkcv import nets

PATH = pathlib.Path(__file__).with_name("goldens.json")
NUM_CLASSES = 10
_SMALL = 32
_KEPT = ("inception_v3", "resnet_v1_50")  # other tests look at them, too


def image_size(name: str) -> int:
    """The smallest side, down to 32 pixels, at which the net works: graphs of small pictures are built no slower."""
    return max(nets.get(name).min_image_size, _SMALL)


def build(name: str):
    """The net for training in a graph of its own: ``(graph, logits, end_points)``; two nets' graphs are kept."""
    return _kept(name) if name in _KEPT else _build(name)


def _build(name: str):
    from sparkcv.nets.slim import tf

    size = image_size(name)
    with tf.Graph().as_default() as graph:
        logits, end_points = nets.get(name).build(tf.zeros([2, size, size, 3]), NUM_CLASSES, is_training=True)
    return graph, logits, end_points


_kept = functools.cache(_build)


def variables(name: str) -> tuple[str, ...]:
    """``name shape dtype`` of each model variable, sorted."""
    return _observe(name)[1]


def describe(name: str) -> dict:
    """Shapes, types, names and counts of the net's graph."""
    return _observe(name)[0]


@functools.cache
def _observe(name: str) -> tuple[dict, tuple[str, ...]]:
    from sparkcv.nets.slim import model_variables, tf

    graph, logits, end_points = build(name)
    with graph.as_default():
        lines = sorted(f"{v.op.name} {v.shape.as_list()} {v.dtype.base_dtype.name}" for v in model_variables())
        description = {
            "image_size": image_size(name),
            "logits": f"{logits.dtype.name} {logits.shape.as_list()}",
            "aux": f"{end_points['AuxLogits'].shape.as_list()}" if "AuxLogits" in end_points else None,
            "end_points": len(end_points),
            "variables": len(lines),
            "trainable_values": sum(v.shape.num_elements() for v in tf.trainable_variables()),
            "update_ops": len(tf.get_collection(tf.GraphKeys.UPDATE_OPS)),
            "regularized": len(tf.get_collection(tf.GraphKeys.REGULARIZATION_LOSSES)),
            "first": lines[0],
            "last": lines[-1],
            "digest": hashlib.sha256("\n".join(lines).encode()).hexdigest(),
        }
        return description, tuple(lines)


if __name__ == "__main__":
    PATH.write_text(json.dumps({name: describe(name) for name in nets.names()}, indent=1) + "\n", encoding="utf-8")
