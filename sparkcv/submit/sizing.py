"""How many executors a job wants, and how much memory each: its roles are counted, its net's memory is estimated."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from sparkcv.config import EvalConfig, ExportConfig, SubmitConfig, TrainConfig
from sparkcv.config.submit import megabytes
from sparkcv.doctor import estimate, num_ps
from sparkcv.errors import UsageError
from sparkcv.spark.memory import overhead_for

__all__ = ["Sizes", "sizes", "with_executors"]

_OVERHEAD = "spark.executor.memoryOverhead"
_MOST_CORES = "spark.cores.max"  # of all executors together
_HEAP = "1g"  # Java's, which hardly moves: Spark's own default
_EXECUTORS = 2  # of a job that takes any number


@dataclasses.dataclass(frozen=True)
class Sizes:
    """What the executors are asked for.

    Attributes:
        executors: their number; None where the master's own words say it.
        roles: what runs on them, for people: ``1 ps and 2 workers``.
        heap: an executor's Java heap as Spark writes it; None where the master says it.
        overhead: ``spark.executor.memoryOverhead``; None where it is given, or left to the job.
        reason: why ``overhead`` is so much, for people.
    """

    executors: int | None
    roles: str
    heap: str | None
    overhead: str | None = None
    reason: str = ""


def with_executors(config: Any, options: SubmitConfig) -> Any:
    """Settle the number of roles by ``--num_executors`` where the job's own flags leave it open, as the job will.

    Raises UsageError for a number that the job refuses.
    """
    if not isinstance(config, TrainConfig | EvalConfig):
        return config
    is_open = config.cluster_size is None and not (isinstance(config, TrainConfig) and config.worker_replicas != 1)
    if options.num_executors is not None and is_open:
        config = dataclasses.replace(config, cluster_size=options.num_executors)
    return num_ps.settled(config) if isinstance(config, TrainConfig) else config


def sizes(config: Any, options: SubmitConfig, given: Mapping[str, str], defaults: Mapping[str, str]) -> Sizes:
    """Return what a job of these flags wants.

    ``given`` are the properties of the user and ours, ``defaults`` those of ``spark-defaults.conf``. Raises UsageError
    for fewer executors than roles.
    """
    count, roles = _roles(config)
    slots = _slots(options, given)
    executors = options.num_executors or math.ceil(count / slots)
    if "spark.executor.instances" in given:
        executors = _whole(given, "spark.executor.instances")
    if options.is_standalone and _MOST_CORES in given:
        if options.num_executors is not None:
            raise UsageError(
                f"got --num_executors {options.num_executors} and {_MOST_CORES}={given[_MOST_CORES]}, wanted one of"
                " them"
            )
        executors = _whole(given, _MOST_CORES) // _whole(given, "spark.executor.cores")
    if isinstance(config, TrainConfig | EvalConfig | ExportConfig) and executors * slots < count:
        raise UsageError(
            f"{roles} need {math.ceil(count / slots)} executors at once, got {executors}; wanted more of them, or"
            " fewer roles"
        )
    if not options.has_pythons and not options.is_standalone:
        return Sizes(None, roles, options.executor_memory)
    heap = options.executor_memory or given.get("spark.executor.memory") or defaults.get("spark.executor.memory", _HEAP)
    if options.is_standalone:
        return Sizes(executors, roles, heap)
    if {_OVERHEAD, f"{_OVERHEAD}Factor"} & {*given, *defaults}:
        return Sizes(executors, roles, heap, reason="as given")
    role, likely = _memory(config)
    if not likely:
        return Sizes(executors, roles, heap, reason=role)
    beside = min(slots, math.ceil(count / executors))
    overhead = overhead_for(beside * likely, megabytes(heap, "spark.executor.memory"))
    return Sizes(executors, roles, heap, f"{overhead}m", f"{role} takes about {likely / 2**30:.1f} GiB")


def _slots(options: SubmitConfig, given: Mapping[str, str]) -> int:
    """Return how many tasks an executor runs at once; raises UsageError for one that has room for none."""
    cores, cpus = _whole(given, "spark.executor.cores"), _whole(given, "spark.task.cpus")
    if cores < cpus and (options.has_pythons or options.is_standalone):
        raise UsageError(
            f"spark.task.cpus={cpus} and spark.executor.cores={cores}: no executor has room for a task; wanted"
            f" --conf spark.executor.cores={cpus} or more"
        )
    return cores // cpus or 1


def _roles(config: Any) -> tuple[int, str]:
    """Task slots that a job wants at once, and what runs in them."""
    if isinstance(config, TrainConfig):
        counts = (
            (config.num_ps, "ps", "ps"),
            (config.num_workers, "worker", "workers"),
            (config.num_evaluators, "evaluator", "evaluators"),
        )
        named = [f"{number} {one if number == 1 else many}" for number, one, many in counts if number]
        return config.num_roles, " and ".join([", ".join(named[:-1]), named[-1]] if named[1:] else named)
    if isinstance(config, ExportConfig):
        return 1, "1 exporter"
    if isinstance(config, EvalConfig):
        count = config.cluster_size or 1
        return count, f"{count} evaluator{'s' * (count > 1)}"
    count = config.cluster_size or _EXECUTORS
    return count, "any number of tasks"


def _memory(config: Any) -> tuple[str, float]:
    """Whose process takes the most, and bytes of it; 0 where only the job itself can tell."""
    if isinstance(config, TrainConfig):
        role, memory = estimate.largest(config)
        size = f" at {config.train_image_size} pixels" if config.train_image_size else ""
        return f"a {role} of {config.model_name}{size}, batch {config.batch_size},", memory.likely
    if isinstance(config, EvalConfig):
        return f"an evaluator of {config.model_name}, batch {config.batch_size},", estimate.evaluator(config)
    if isinstance(config, ExportConfig):
        return f"an export of {config.model_name}", estimate.exporter(config.model_name)
    return "the job asks for it, once it has seen its input", 0.0


def _whole(properties: Mapping[str, str], name: str) -> int:
    text = properties.get(name, "1")
    if not text.isdigit() or text == "0":
        raise UsageError(f"{name}: got {text!r}, wanted a whole number from 1")
    return int(text)
