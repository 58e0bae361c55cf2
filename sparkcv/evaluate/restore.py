"""Choose the variables that an evaluation takes from a checkpoint, and check that the checkpoint has them.

As in slim: the net's variables and the global step by their own names, or with ``--moving_average_decay`` the net's
variables by the names of their moving averages. A checkpoint that does not fit is reported in one sentence before a
session exists; TensorFlow's own message is a stack trace about one tensor.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow.compat.v1 as tf

from sparkcv.errors import CheckpointError
from sparkcv.nets.slim import model_variables

_SHOWN = 3
_GLOBAL_STEP = tf.GraphKeys.GLOBAL_STEP


def wanted_variables(moving_average_decay: float | None) -> dict[str, Any]:
    """Return name in the checkpoint -> variable of the default graph, for the model's variables."""
    if not moving_average_decay:
        return {variable.op.name: variable for variable in model_variables()}
    averages = tf.train.ExponentialMovingAverage(moving_average_decay)
    return {averages.average_name(variable): variable for variable in model_variables()}


def read_step(prefix: str) -> int | None:
    """Return the global step in the checkpoint at local ``prefix``, None without one; CheckpointError if unreadable."""
    reader = _open(prefix)
    return int(reader.get_tensor(_GLOBAL_STEP)) if reader.has_tensor(_GLOBAL_STEP) else None


def check(prefix: str, where: str, wanted: Mapping[str, Any], *, num_classes: int, dataset: str) -> None:
    """Raise CheckpointError unless the local checkpoint has every wanted variable in its shape.

    Args:
        prefix: the local checkpoint.
        where: the URL that a user knows it by.
        wanted: what `wanted_variables` gave.
        num_classes: what the net was built for.
        dataset: the dataset's name in messages.
    """
    saved = dict(_open(prefix).get_variable_to_shape_map())
    missing = sorted(name for name in wanted if name not in saved)
    if missing:
        raise CheckpointError(_lacks(where, missing, len(wanted), saved))
    other = {
        name: (list(saved[name]), variable.shape.as_list())
        for name, variable in wanted.items()
        if list(saved[name]) != variable.shape.as_list()
    }
    if not other:
        return
    trained_on = _classes_of(list(other.values()), num_classes)
    if trained_on is not None:
        raise CheckpointError(
            f"the checkpoint {where!r} was trained on {trained_on} classes, {dataset} has {num_classes}; "
            "wanted the same number (--labels_offset 1 drops a background class)"
        )
    name, (got, want) = sorted(other.items())[0]
    raise CheckpointError(
        f"the checkpoint {where!r} is of another net: {len(other)} of {len(wanted)} variables have other shapes, "
        f"such as {name} with {got} instead of {want}; wanted the net of --model_name at --eval_image_size"
    )


def restorer(wanted: Mapping[str, Any]) -> Any:
    """Return a Saver of the wanted variables; add its operations to the default graph."""
    return tf.train.Saver(dict(wanted), name="evaluate")


def _open(prefix: str) -> Any:
    try:
        return tf.train.load_checkpoint(prefix)
    except (tf.errors.OpError, ValueError, RuntimeError) as err:
        raise CheckpointError(f"the checkpoint {prefix!r} cannot be read: {str(err).splitlines()[0]}") from err


def _lacks(where: str, missing: Sequence[str], num_wanted: int, saved: Mapping[str, Any]) -> str:
    shown = ", ".join(missing[:_SHOWN]) + (", ..." if len(missing) > _SHOWN else "")
    problem = f"the checkpoint {where!r} lacks {len(missing)} of {num_wanted} variables ({shown})"
    suffix = "/ExponentialMovingAverage"
    averages = [name for name in missing if name.endswith(suffix)]
    if averages and all(name.removesuffix(suffix) in saved for name in averages):
        return f"{problem}: its run kept no moving averages; wanted no --moving_average_decay"
    return f"{problem}: it is of another net; wanted the net of --model_name"


def _classes_of(shapes: Sequence[tuple[list[int], list[int]]], num_classes: int) -> int | None:
    """Return the checkpoint's number of classes if every shape differs only in that, its last dimension."""
    counts = {got[-1] if got else 0 for got, _ in shapes}
    differs_so = all(
        got and len(got) == len(want) and got[:-1] == want[:-1] and want[-1] == num_classes for got, want in shapes
    )
    return counts.pop() if differs_so and len(counts) == 1 else None
