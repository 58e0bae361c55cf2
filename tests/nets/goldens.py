"""What a net looks like from outside, as data; ``python -m tests.nets.goldens`` writes goldens.json anew."""

import functools
import hashlib
import json
import pathlib

from sparkcv import nets

PATH = pathlib.Path(__file__).with_name("goldens.json")
# What TF-Slim's own files give for a net of 1001 classes at its default size.
PUBLISHED = json.loads(pathlib.Path(__file__).with_name("published.json").read_text(encoding="utf-8"))
NUM_CLASSES = 10
PICTURES = "pictures:0"
_SMALL = 32
_OF_SMALL_PICTURES = ("inception_v3", "resnet_v1_50")
# Other tests of this folder look at them, too, and run them: they may add to a graph what is no variable or update.
_KEPT = (
    *_OF_SMALL_PICTURES,
    "inception_resnet_v2",
    "inception_v4",
    "mobilenet_v1_025",
    "mobilenet_v3_small",
    "nasnet_mobile",
)


def image_size(name: str) -> int:
    """The net's own size, to which the shapes of some variables belong; a small one for nets that are run often."""
    net = nets.get(name)
    return max(net.min_image_size, _SMALL) if name in _OF_SMALL_PICTURES else net.default_image_size


def build(name: str):
    """The net for training in a graph of its own: ``(graph, logits, end_points)``; some nets' graphs are kept.

    Its pictures are the tensor ``PICTURES``, two of zeros if none are fed.
    """
    return _kept(name) if name in _KEPT else _build(name)


def _build(name: str):
    from sparkcv.nets.slim import tf

    size = image_size(name)
    with tf.Graph().as_default() as graph:
        tf.set_random_seed(1)
        pictures = tf.zeros([2, size, size, 3], name=PICTURES.partition(":")[0])
        # The weight decay is not the net's own, which is 0 for LeNet and then counts no losses.
        logits, end_points = nets.get(name).build(pictures, NUM_CLASSES, True, weight_decay=0.00004)
    return graph, logits, end_points


_kept = functools.cache(_build)


def variables(name: str) -> tuple[str, ...]:
    """``name shape dtype`` of each model variable, sorted."""
    return _observe(name)[1]


def facts(name: str) -> dict:
    """What ``PUBLISHED`` has of the net, counted in our graph."""
    return _observe(name)[2]


def end_points(name: str) -> dict[str, list[int]]:
    """The shape of each end point, in their order."""
    return _observe(name)[3]


def describe(name: str) -> dict:
    """Shapes, types, names and counts of the net's graph."""
    return _observe(name)[0]


@functools.cache
def _observe(name: str) -> tuple[dict, tuple[str, ...], dict, dict]:
    from sparkcv.nets.slim import model_variables, tf

    graph, logits, end_points = build(name)
    with graph.as_default():
        lines = sorted(f"{v.op.name} {v.shape.as_list()} {v.dtype.base_dtype.name}" for v in model_variables())
        description = {
            "image_size": image_size(name),
            "logits": f"{logits.dtype.name} {logits.shape.as_list()}",
            "aux": f"{end_points['AuxLogits'].shape.as_list()}" if "AuxLogits" in end_points else None,
            "end_points": len(end_points),
            "end_points_digest": _digest(f"{key} {point.shape.as_list()}" for key, point in end_points.items()),
            "variables": len(lines),
            "trainable_values": sum(v.shape.num_elements() for v in tf.trainable_variables()),
            "update_ops": len(tf.get_collection(tf.GraphKeys.UPDATE_OPS)),
            "regularized": len(tf.get_collection(tf.GraphKeys.REGULARIZATION_LOSSES)),
            "first": lines[0],
            "last": lines[-1],
            "digest": _digest(lines),
        }
        points = {key: point.shape.as_list() for key, point in end_points.items()}
        return description, tuple(lines), _facts(description), points


def _facts(description: dict) -> dict:
    from sparkcv.nets.slim import tf

    # Weights and biases of the last layers, which are those that know the number of classes.
    shapes = [variable.shape.as_list() for variable in tf.trainable_variables()]
    classes = [shape for shape in shapes if shape[-1] == NUM_CLASSES]
    more = sum(functools.reduce(int.__mul__, shape) for shape in classes) * (1001 - NUM_CLASSES) // NUM_CLASSES
    return {
        "variables": len(tf.global_variables()),
        "trainable_variables": len(shapes),
        "parameters": description["trainable_values"] + more,
        "update_ops": description["update_ops"],
        "regularized": description["regularized"],
    }


def _digest(lines) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


if __name__ == "__main__":
    PATH.write_text(json.dumps({name: describe(name) for name in nets.names()}, indent=1) + "\n", encoding="utf-8")
