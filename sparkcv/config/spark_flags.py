"""Flags of the Spark that a job runs on, the same for each job that has them."""

from typing import Any

from sparkcv.config.flags import flag

__all__ = [
    "cluster_size",
    "executor_memory_mb",
    "num_intra_op_threads",
    "num_partitions",
    "port_range",
    "stage_memory_mb",
]


def num_partitions(group: str) -> Any:
    """Declare ``--num_partitions`` of a job that deals its input out to tasks."""
    return flag(None, "Spark tasks; not set: by input size", group=group, least=1)


def cluster_size(group: str) -> Any:
    """Declare ``--cluster_size`` of a job without roles: executors, where Spark is embedded."""
    return flag(None, "executors of the embedded Spark, one task each; not set: 2 tasks at once", group=group, least=1)


def executor_memory_mb(group: str) -> Any:
    """Declare ``--executor_memory_mb``, the heap in MB of an executor, where Spark is embedded."""
    return flag(1024, "JVM heap of an executor of the embedded Spark", group=group, least=1)


def stage_memory_mb(group: str) -> Any:
    """Declare ``--executor_memory_mb`` of a job without roles, whose tasks may run beside the embedded driver."""
    text = "JVM heap of an executor of the embedded Spark; without --cluster_size its driver has it beside its own"
    return flag(1024, text, group=group, least=1)


def num_intra_op_threads(group: str, sharers: str = "tasks at once") -> Any:
    """Declare ``--num_intra_op_threads``, by default this machine's cores divided by ``sharers``."""
    return flag(0, f"threads of one TensorFlow op; 0: cores divided by {sharers}", group=group, least=0)


def port_range(group: str) -> Any:
    """Declare ``--port_range``, which :class:`sparkcv.config.port_range.PortRange` reads."""
    return flag(
        None, "LOW-HIGH, the ports that the job and the embedded Spark may listen on; not set: any", group=group
    )
