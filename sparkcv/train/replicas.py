"""Place the parts of a replicated training graph: variables on the parameter servers, towers on the worker.

:mod:`sparkcv.train.placement` decides which server; optimizer slots and moving averages lie beside their variable.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import tensorflow.compat.v1 as tf

from sparkcv.errors import UsageError

__all__ = ["MovingAverages", "Topology", "clone_devices", "device_setter", "sum_gradients"]

_VARIABLE_OPS = frozenset({"Variable", "VariableV2", "AutoReloadVariable", "VarHandleOp"})


@dataclass(frozen=True)
class Topology:
    """This worker's view of the cluster: how many ps and workers there are, and which worker it is (0 is the chief)."""

    num_ps: int = 0
    num_workers: int = 1
    task: int = 0

    def __post_init__(self) -> None:
        """Raise UsageError for a cluster that cannot train."""
        if self.num_ps < 0 or not 0 <= self.task < self.num_workers:
            raise UsageError(f"worker {self.task} of {self.num_workers} with {self.num_ps} ps is no cluster")
        if self.num_workers > 1 and self.num_ps == 0:
            raise UsageError(f"{self.num_workers} workers need at least one parameter server, got --num_ps_tasks 0")

    @property
    def is_chief(self) -> bool:
        """Whether this worker initializes, saves and writes summaries."""
        return self.task == 0

    @property
    def host_device(self) -> str:
        """CPU of this worker, which holds its input and writes its checkpoints."""
        return f"{self.worker_device}/device:CPU:0"

    @property
    def worker_device(self) -> str:
        """Device of this worker, without the kind of processor; empty in a local session."""
        return f"/job:worker/task:{self.task}" if self.num_ps else ""


def device_setter(topology: Topology, places: Mapping[str, int]) -> Callable[[Any], str]:
    """Return a function for ``tf.device``: variables to their ps (0 if not in ``places``), all else to this worker.

    Variables are on a CPU always, as in slim, whichever GPU their tower is on.
    """

    def device(op: Any) -> str:
        if op.type in _VARIABLE_OPS:
            job = f"/job:ps/task:{places.get(op.name, 0)}" if topology.num_ps else ""
            return f"{job}/device:CPU:0"
        merged = tf.DeviceSpec.from_string(topology.worker_device)
        merged = merged.make_merged_spec(tf.DeviceSpec.from_string(op.device or ""))
        return str(merged.to_string())

    return device


def clone_devices(num_clones: int, clone_on_cpu: bool, num_gpus: int | None = None) -> list[str]:
    """Return the device of each tower in this worker, as in slim; "" leaves a single tower to TensorFlow.

    Raise UsageError when there are fewer GPUs than towers.
    """
    if clone_on_cpu:
        return ["/device:CPU:0"] * num_clones
    if num_clones == 1 and not num_gpus:
        return [""]
    found = len(tf.config.list_physical_devices("GPU"))
    if num_gpus and found < num_gpus:
        raise UsageError(
            f"--num_gpus {num_gpus} wants as many GPUs on each worker, TensorFlow finds {found} on this one; "
            "0 is the CPU, spark.task.resource.gpu.amount asks for more"
        )
    if found < num_clones:
        raise UsageError(
            f"--num_clones {num_clones} wants as many GPUs on each worker, this one has {found}; "
            "--clone_on_cpu puts the towers on the CPU"
        )
    return [f"/device:GPU:{index}" for index in range(num_clones)]


class MovingAverages(tf.train.ExponentialMovingAverage):
    """Moving averages of variables, computed where the variables are.

    The base class subtracts and multiplies on the worker: with parameter servers every step would fetch all
    variables and all averages and send the differences back, three times the size of the model. Names
    (``.../ExponentialMovingAverage``) and values are the base class's: the decay is ``min(decay, (1 + step) / (10 +
    step))``.
    """

    def __init__(self, decay: float, global_step: Any):
        super().__init__(decay, global_step)
        self._rate, self._global_step = decay, global_step

    def apply(self, var_list: Any = None) -> Any:
        """Return the operation that moves the average of each variable in ``var_list`` towards its value."""
        super().apply(var_list)  # makes the averages; its update is never run
        step = tf.cast(self._global_step, tf.float32)
        weight = 1.0 - tf.minimum(self._rate, (1.0 + step) / (10.0 + step))
        updates = []
        for variable in var_list:
            average = self.average(variable)
            with tf.device(variable.device):
                # read_value(), because the variable itself may stand for a copy of its value on the worker.
                difference = average.read_value() - variable.read_value()
                updates.append(tf.assign_sub(average, difference * tf.cast(weight, difference.dtype)))
        return tf.group(*updates, name="moving_averages")


def sum_gradients(towers: list[list[tuple[Any, Any]]]) -> list[tuple[Any, Any]]:
    """Add up the ``(gradient, variable)`` pairs of all towers; leave out variables without any gradient."""
    summed = []
    for pairs in zip(*towers, strict=True):
        gradients = [gradient for gradient, _ in pairs if gradient is not None]
        variable = pairs[0][1]
        if len(gradients) > 1:
            summed.append((tf.add_n(gradients, name=f"{variable.op.name}/sum_grads"), variable))
        elif gradients:
            summed.append((gradients[0], variable))
    return summed
