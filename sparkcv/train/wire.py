"""Halve what travels between workers and parameter servers: bfloat16 on the wire, float32 everywhere else.

bfloat16 has float32's range and 8 bits of its fraction. The servers keep and update the weights in float32, so small
updates are not lost; what a worker computes with is the weight rounded to nearest even, by at most 1 part in 256, and
so is each gradient that arrives. Variables that are not trained, which are batch normalisation's averages and few
bytes, travel as they are: they are moved by their difference to the value that the worker has.
"""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow.compat.v1 as tf

__all__ = ["custom_getter", "push"]


def custom_getter(worker_device: str) -> Callable[..., Any]:
    """Return a ``custom_getter`` whose trained float32 variables are read on ``worker_device`` as bfloat16 was sent."""

    def get(getter: Callable[..., Any], name: str, *args: Any, **kwargs: Any) -> Any:
        is_sent = kwargs.get("trainable", True) and tf.as_dtype(kwargs.get("dtype") or tf.float32) == tf.float32
        if is_sent:
            kwargs["caching_device"] = None  # or each read_value() goes by way of the worker, as float32
        variable = getter(name, *args, **kwargs)
        for part in variable if _is_partitioned(variable) else [variable]:
            if is_sent and part._cached_value is None:  # or another tower has it already
                _send_rounded(part, worker_device)
        return variable

    return get


def push(gradients: Sequence[tuple[Any, Any]], worker_device: str) -> list[tuple[Any, Any]]:
    """Return ``(gradient, variable)`` pairs whose gradients are sent to their variable's server as bfloat16."""
    sent = []
    for gradient, variable in gradients:
        if gradient.dtype == tf.float32:
            with tf.device(worker_device):
                rounded = tf.cast(gradient, tf.bfloat16)
            with tf.device(variable.device):
                gradient = tf.cast(rounded, tf.float32)
        sent.append((gradient, variable))
    return sent


def _is_partitioned(variable: Any) -> bool:
    return hasattr(variable, "as_tensor")


def _send_rounded(variable: Any, worker_device: str) -> None:
    """Have a variable stand for its rounded value on the worker, fetched once a step whoever uses it.

    It is what ``caching_device`` makes of a variable, but for the two casts; TensorFlow has no public way to give it.
    """
    with tf.name_scope(None), tf.control_dependencies(None):
        with tf.device(variable.device):
            rounded = tf.cast(variable.read_value(), tf.bfloat16, name=f"{variable.op.name}/to_wire")
        with tf.device(worker_device):
            value = tf.cast(rounded, tf.float32, name=f"{variable.op.name}/from_wire")
    variable._cached_value = value
