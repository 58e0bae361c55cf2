"""Compare our nets with TF-Slim's own: the same variables, and the same numbers from the same weights.

``python -m bench.nets_against_slim --slim DIR [NET ...]`` takes a checkout's ``research/slim`` and prints a line a net:
the largest difference of any end point (logits, predictions and auxiliary logits among them), and whether names,
shapes, update operations and regularization losses are the same. Without ``--slim`` it compares with what tf_slim
has. Dropout is off, so that training's graph is comparable as well: batch normalisation takes the batch's statistics
in it, and slim's auxiliary heads are there.
"""

import argparse
import contextlib
import importlib
import sys
import time
import types
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from sparkcv import nets
from sparkcv.nets.slim import model_variables, quick, quiet, slim, slim_nets, tf

NUM_CLASSES = 11
BATCH = 4
WEIGHT_DECAY = 0.00004
SMALL = 75
TOLERANCE = 1e-5
_OURS_ALONE = {"Logits", "Predictions"}  # which every net of ours has beside slim's names

Build = Callable[[Any, bool], tuple[Any, dict[str, Any]]]


def main(argv: list[str]) -> int:
    """Compare the nets named, or all; return 1 when one differs."""
    parser = argparse.ArgumentParser(description="our nets against TF-Slim's")
    parser.add_argument("--slim", help="research/slim of a checkout; without it, tf_slim's own nets")
    parser.add_argument("--mode", choices=("train", "eval", "features"))
    parser.add_argument("nets", nargs="*")
    flags = parser.parse_args(argv)
    mode = flags.mode or ("train" if flags.slim else "eval")  # tf_slim's own nets cannot be kept from dropping out
    references = published(flags.slim, mode) if flags.slim else installed()
    print("net | size | end points | largest difference | of | variables | updates | losses | s", flush=True)
    different = False
    for name in flags.nets or [name for name in nets.names() if name in references]:
        started = time.process_time()
        row, equal = compare(name, references[name], mode, all_points=bool(flags.slim))
        different |= not equal
        print(row, "|", f"{time.process_time() - started:.0f}", "" if equal else "  <-- differs", flush=True)
    return int(different)


def compare(name: str, reference: Build, mode: str, all_points: bool) -> tuple[str, bool]:
    """Build and run both; return the table's line, and whether they are equal."""
    net = nets.get(name)
    classes = None if mode == "features" else NUM_CLASSES

    def ours(images: Any, is_training: bool) -> tuple[Any, dict[str, Any]]:
        return net.build(images, classes, is_training, weight_decay=WEIGHT_DECAY)

    size = max(net.min_image_size, min(net.default_image_size, SMALL))
    if net.has_aux and name.startswith("inception"):
        size = max(size, 107)  # the smallest that slim can build their auxiliary heads for
    if net.family == "nasnet" and net.default_image_size > SMALL:
        size = max(size, 99)
    left, right = observe(ours, size, mode), observe(reference, size, mode)
    names = set(right.points) if all_points else set(right.points) & set(left.points)
    missing = names - set(left.points)
    more = set(left.points) - set(right.points) - _OURS_ALONE if all_points else set()
    worst = 0.0, "-"
    for point in [*sorted(names - missing), "(result)"]:
        a, b = (left.result, right.result) if point == "(result)" else (left.points[point], right.points[point])
        if a.shape != b.shape:
            if not all_points:
                b = b.reshape(a.shape)
            else:
                worst = np.inf, f"{point} {a.shape} {b.shape}"
                continue
        worst = max(worst, (float(np.abs(a - b).max()), point))
    equal = left.variables == right.variables, left.counts[0] == right.counts[0], left.counts[1] == right.counts[1]
    marks = [f"{len(left.variables)}{'=' if equal[0] else '!'}"]
    marks += [f"{mine}{'=' if same else '!'}" for mine, same in zip(left.counts, equal[1:], strict=True)]
    extra = f" missing {sorted(missing)}" if missing else ""
    extra += f" more {sorted(more)}" if more else ""
    row = " | ".join([name, str(size), f"{len(names)}{extra}", f"{worst[0]:.1e}", worst[1], *marks])
    return row, worst[0] <= TOLERANCE and all(equal) and not missing and not more


def observe(build: Build, size: int, mode: str) -> types.SimpleNamespace:
    """Build a net, give its variables weights that follow from their names, and run it on fixed pictures."""
    images = np.random.RandomState(99).uniform(-1, 1, [BATCH, size, size, 3]).astype(np.float32)
    with tf.Graph().as_default(), quiet(), quick(), without_dropout():
        step = tf.train.get_or_create_global_step()  # before the net, as training does: NASNet's paths depend on it
        result, points = build(tf.constant(images), mode == "train")
        trained = {variable.op.name for variable in tf.trainable_variables()}
        made = [variable for variable in tf.global_variables() if variable is not step]
        variables = sorted(f"{v.op.name} {v.shape.as_list()} {v.op.name in trained}" for v in made)
        counts = [len(tf.get_collection(tf.GraphKeys.UPDATE_OPS))]
        losses = tf.get_collection(tf.GraphKeys.REGULARIZATION_LOSSES)
        counts.append(len(losses))
        with tf.Session() as session:
            start(session, model_variables())
            found, result = session.run([dict(points), result])
    return types.SimpleNamespace(points=found, result=result, variables=variables, counts=counts)


def start(session: Any, variables: list[Any]) -> None:
    """Initialize all variables, those of the model with noise of the size that keeps activations alive."""
    values = {}
    for variable in variables:
        shape = variable.shape.as_list()
        noise = np.random.default_rng(zlib.crc32(variable.op.name.encode())).standard_normal(shape, dtype=np.float32)
        fan_in = np.prod(shape[:-1]) if len(shape) > 1 else 100.0
        value = noise * np.float32(np.sqrt(2.0 / fan_in))
        if variable.op.name.endswith(("moving_variance", "gamma")):
            value = np.abs(value) + np.float32(1.0)
        values[variable.initializer.inputs[1]] = value
    session.run([variable.initializer for variable in tf.global_variables()], values)


@contextlib.contextmanager
def without_dropout() -> Iterator[None]:
    """Let ``slim.dropout`` give back what it gets."""
    real = slim.dropout
    slim.dropout = slim.add_arg_scope(lambda inputs, *_, **__: inputs)
    try:
        yield
    finally:
        slim.dropout = real


def published(folder: str, mode: str) -> dict[str, Build]:
    """Return the builders of a checkout's factory, which asks for what TensorFlow and NumPy no longer have."""
    contrib = types.ModuleType("tensorflow.contrib")
    contrib.training = types.SimpleNamespace(HParams=_HParams)  # type: ignore[attr-defined]
    sys.modules["tensorflow.contrib"] = contrib
    if not hasattr(np, "int"):
        np.int = int  # type: ignore[attr-defined]
    sys.path.insert(0, folder)
    factory = importlib.import_module("nets.nets_factory")
    classes = None if mode == "features" else NUM_CLASSES

    def builder(name: str) -> Build:
        def build(images: Any, is_training: bool) -> tuple[Any, dict[str, Any]]:
            return factory.get_network_fn(name, classes, WEIGHT_DECAY, is_training)(images)

        return build

    return {name: builder(name) for name in factory.networks_map}


class _HParams(types.SimpleNamespace):
    """As much of ``tf.contrib.training.HParams`` as slim's NASNet asks of it."""

    def set_hparam(self, name: str, value: object) -> None:
        """Set one value."""
        setattr(self, name, value)


def installed() -> dict[str, Build]:
    """Return builders of the nets that tf_slim has."""
    families = {
        "alexnet_v2": (slim_nets.alexnet, slim_nets.alexnet.alexnet_v2_arg_scope),
        "overfeat": (slim_nets.overfeat, slim_nets.overfeat.overfeat_arg_scope),
        **{f"vgg_{kind}": (slim_nets.vgg, slim_nets.vgg.vgg_arg_scope) for kind in ("a", "16", "19")},
        **{f"inception_v{v}": (slim_nets.inception, slim_nets.inception.inception_v3_arg_scope) for v in (1, 2, 3)},
    }
    for version in ("v1", "v2"):
        module = getattr(slim_nets, f"resnet_{version}")
        scope = slim_nets.resnet_utils.resnet_arg_scope
        families |= {f"resnet_{version}_{depth}": (module, scope) for depth in (50, 101, 152, 200)}

    def builder(name: str, module: Any, arg_scope: Any) -> Build:
        def build(images: Any, is_training: bool) -> tuple[Any, dict[str, Any]]:
            with slim.arg_scope(arg_scope(weight_decay=WEIGHT_DECAY)):
                logits, points = getattr(module, name)(images, NUM_CLASSES, is_training=is_training)
            return tf.reshape(logits, [-1, NUM_CLASSES]), points

        return build

    return {name: builder(name, *pair) for name, pair in families.items()}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
