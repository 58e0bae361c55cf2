"""Losses, learning rates and variables of the training step beside those of TF-Slim's ``train_image_classifier.py``.

Command (a few minutes on 2 cores; DIR is ``research/slim`` of a checkout of tensorflow/models)::

    python bench/fidelity_slim.py --slim DIR [--only adam,average] [--steps 20]

Both sides build a net for pictures of 8 pixels, start from the same weights and see the same random batches, one case
after the other: each optimizer and each decay of the learning rate with ``lenet``, whose dropout is left out since its
random numbers depend on how many operations were made before, and moving averages and ``clones_with_norm`` with
``resnet_v1_50``, for its batch normalisation: the latter for one step, as two towers side by side do not give the same
last bits twice, and so small a picture makes them grow (8 steps of ours, run twice, differ in 428 of 429 variables).
The reference's side uses its learning rate, optimizer, net and clones; its ``main``,
which also reads data and runs a Supervisor, is gone through here line by line. Expected: no variable
differs in any bit, in any case but ``average``: there the reference reads batch normalisation's statistics before or
after their update, as its threads happen to run, and only their averages (106 of 696 variables) may differ. That is
all: in ``average_in_order``, the same case with the reference's averages taken where ours are, after the statistics'
updates and before the gradients', no bit differs.

``--pins`` prints the numbers of ``tests/train/test_pinned_training.py`` as the reference's functions give them.
"""

import argparse
import importlib
import pathlib
import sys
import types
from typing import Any

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from sparkcv.nets.slim import quick, quiet, slim, tf

# isort: split
from sparkcv.config import TrainConfig
from sparkcv.config.train import OPTIMIZERS
from sparkcv.train import step
from tests.train import pinned_training

SIZE, BATCH, CLASSES, RECORDS = 8, 4, 5, 20

# So small a picture makes it diverge even so: its loss is large, and differs in its last bits by the order of its sum.
_RESNET = {"model_name": "resnet_v1_50", "learning_rate": 0.0001}

# Of a case that says so; the others take --steps.
_STEPS = {"clones_with_norm": 1}

CASES: dict[str, dict[str, Any]] = {
    **{name: {"optimizer": name, "learning_rate_decay_type": "exponential"} for name in OPTIMIZERS},
    "fixed": {"optimizer": "momentum", "learning_rate_decay_type": "fixed"},
    "polynomial": {"optimizer": "momentum", "learning_rate_decay_type": "polynomial"},
    "smoothing": {"optimizer": "sgd", "label_smoothing": 0.1, "weight_decay": 0.01},
    "scopes": {"optimizer": "adam", "trainable_scopes": "LeNet/fc4,LeNet/fc3"},
    "average": {"optimizer": "momentum", "moving_average_decay": 0.99, **_RESNET},
    "average_in_order": {"optimizer": "momentum", "moving_average_decay": 0.99, **_RESNET},
    "clones": {"optimizer": "momentum", "num_clones": 2, "clone_on_cpu": True},
    "clones_with_norm": {"optimizer": "momentum", "num_clones": 2, "clone_on_cpu": True, **_RESNET},
}


def main() -> int:
    """Run the cases and print a row for each; return 1 if one differs that should not."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slim", required=True, help="research/slim of a checkout of tensorflow/models")
    parser.add_argument("--only", default=",".join(CASES), help="cases, with commas between them")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--pins", action="store_true", help="print the pinned numbers instead")
    flags = parser.parse_args()
    reference = Reference(flags.slim)
    if flags.pins:
        for (optimizer, decay), numbers in pinned_training.table(reference.rule).items():
            print(f"    ({optimizer!r}, {decay!r}): {tuple(map(float, numbers))},")
        return 0
    print(f"{'case':<18}{'losses':>12}{'rates':>12}{'variables':>11}{'differ':>8}{'largest':>12}  in")
    num_bad = 0
    for case in flags.only.split(","):
        reference.is_in_order = case == "average_in_order"
        ours, theirs = both(
            reference,
            {"learning_rate": 0.01, "num_epochs_per_decay": 1.0, **CASES[case]},
            _STEPS.get(case, flags.steps),
        )
        away = {name: np.abs(ours.end[name] - theirs.end[name]).max() for name in ours.end}
        differ = sorted((name for name in away if away[name] > 0), key=lambda name: -away[name])
        print(
            f"{case:<18}{np.abs(ours.losses - theirs.losses).max():>12.3g}"
            f"{np.abs(ours.rates - theirs.rates).max():>12.3g}"
            f"{len(away):>11}{len(differ):>8}{max(away.values()):>12.3g}  {differ[0] if differ else ''}",
            flush=True,
        )
        excused = case == "average" and all("moving_" in name and "Average" in name for name in differ)
        num_bad += (ours.end.keys() != theirs.end.keys()) or bool(differ and not excused)
    return int(num_bad > 0)


class Trained:
    """Losses and learning rates of a side, float32 ``[steps]``, and all its variables at the end by name."""

    def __init__(self, losses: list[Any], rates: list[Any], end: dict[str, Any]) -> None:
        self.losses, self.rates, self.end = np.array(losses), np.array(rates), end


class Reference:
    """The functions of a checkout of TF-Slim, imported with an empty ``tf.contrib``, which nothing here uses.

    ``is_in_order`` has its averages taken after the updates of batch normalisation and before the step's gradients,
    which its own graph leaves to the threads.
    """

    def __init__(self, folder: str) -> None:
        self.is_in_order = False
        sys.path.insert(0, str(pathlib.Path(folder).resolve()))
        contrib = types.ModuleType("tensorflow.contrib")
        for name in ("quantize", "training"):
            setattr(contrib, name, types.ModuleType(f"tensorflow.contrib.{name}"))
        sys.modules["tensorflow.contrib"] = contrib
        np.int = int  # type: ignore[attr-defined]  # as it was called when the reference was written
        slim.dropout = lambda inputs, *unused, **_: inputs  # on both sides
        self.program = importlib.import_module("train_image_classifier")
        self._deploy = importlib.import_module("deployment.model_deploy")
        self._factory = importlib.import_module("nets.nets_factory")

    def rule(self, config: TrainConfig, num_records: int, global_step: Any) -> tuple[Any, Any]:
        """Return its learning rate and optimizer for the flags of ``config``."""
        self._set(config)
        rate = self.program._configure_learning_rate(num_records, global_step)
        return rate, self.program._configure_optimizer(rate)

    def build(self, config: TrainConfig, next_batch: Any) -> tuple[Any, Any]:
        """Return its train_op and learning rate, as its ``main`` puts them together."""
        program, deploy = self.program, self._deploy
        self._set(config)
        # Where it is not told so it wants a GPU for a single clone, too.
        deployment = deploy.DeploymentConfig(num_clones=config.num_clones, clone_on_cpu=True)
        with tf.device(deployment.variables_device()):
            global_step = tf.train.get_or_create_global_step()
        network = self._factory.get_network_fn(
            config.model_name, num_classes=CLASSES, weight_decay=config.weight_decay, is_training=True
        )

        def clone_fn() -> Any:
            images, labels = next_batch()
            logits, end_points = network(images)
            tf.losses.softmax_cross_entropy(
                tf.one_hot(labels, CLASSES), logits, label_smoothing=config.label_smoothing, weights=1.0
            )
            return end_points

        clones = deploy.create_clones(deployment, clone_fn)
        updates = tf.get_collection(tf.GraphKeys.UPDATE_OPS, deployment.clone_scope(0))
        with tf.device(deployment.optimizer_device()):
            rate, optimizer = self.rule(config, RECORDS, global_step)
        if config.moving_average_decay:
            averages = tf.train.ExponentialMovingAverage(config.moving_average_decay, global_step)
            with tf.control_dependencies(updates if self.is_in_order else []):
                updates.append(averages.apply(program.slim.get_model_variables()))
        loss, gradients = deploy.optimize_clones(clones, optimizer, var_list=program._get_variables_to_train())
        with tf.control_dependencies(updates if self.is_in_order else []):
            updates.append(optimizer.apply_gradients(gradients, global_step=global_step))
        with tf.control_dependencies([tf.group(*updates)]):
            return tf.identity(loss), rate

    def _set(self, config: TrainConfig) -> None:
        known = self.program.FLAGS
        words = [f"--{name}={value}" for name, value in vars(config).items() if value is not None and name in known]
        known.unparse_flags()
        known(["fidelity_slim", *words])


def both(reference: Reference, flags: dict[str, Any], steps: int) -> tuple[Trained, Trained]:
    """Train both sides from the same weights on the same batches."""
    config = TrainConfig(**{"model_name": "lenet", "batch_size": BATCH, "train_image_size": SIZE, **flags})
    random = np.random.RandomState(0)
    count = BATCH * config.num_clones
    batches = [
        (random.normal(size=[count, SIZE, SIZE, 3]).astype(np.float32), random.randint(0, CLASSES, [count]))
        for _ in range(steps)
    ]
    start: dict[str, Any] = {}
    sides = []
    for build in (_ours, reference.build):
        with tf.Graph().as_default(), tf.Session() as session, quiet(), quick():
            feeds = [
                (tf.placeholder(tf.float32, [BATCH, SIZE, SIZE, 3]), tf.placeholder(tf.int64, [BATCH]))
                for _ in range(config.num_clones)
            ]
            left = iter(feeds)
            train_op, rate = build(config, lambda left=left: next(left))
            session.run(tf.global_variables_initializer())
            variables = {variable.op.name: variable for variable in tf.global_variables()}
            start = start or session.run(variables)
            filled = {variable.initializer.inputs[1]: start[name] for name, variable in variables.items()}
            session.run([variable.initializer for variable in variables.values()], filled)
            losses, rates = [], []
            for images, labels in batches:
                feed = {}
                for index, (of_images, of_labels) in enumerate(feeds):
                    part = slice(index * BATCH, (index + 1) * BATCH)
                    feed |= {of_images: images[part], of_labels: labels[part]}
                rates.append(session.run(rate))
                losses.append(session.run(train_op, feed))
            sides.append(Trained(losses, rates, session.run(variables)))
    return sides[0], sides[1]


def _ours(config: TrainConfig, next_batch: Any) -> tuple[Any, Any]:
    graph = step.build(config, num_records=RECORDS, num_classes=CLASSES, next_batch=next_batch)
    return graph.train_op, graph.learning_rate


if __name__ == "__main__":
    sys.exit(main())
