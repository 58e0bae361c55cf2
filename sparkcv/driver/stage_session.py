"""What a Spark stage over pictures needs of Spark, by the flags that all such jobs have."""

from typing import Protocol

from sparkcv.config.port_range import PortRange
from sparkcv.spark.session import SessionSpec
from sparkcv.spark.stages import RETRIES

__all__ = ["stage_session"]

# One Java for two tasks: a second one would start, load and compile the same once more, a fifth of a small night's CPU.
_SLOTS = 2


class _StageFlags(Protocol):
    @property
    def cluster_size(self) -> int | None: ...

    @property
    def executor_memory_mb(self) -> int: ...

    @property
    def port_range(self) -> str | None: ...


def stage_session(app_name: str, config: _StageFlags, role_bytes: float) -> SessionSpec:
    """Return the session of a job whose tasks each take ``role_bytes`` beside Java.

    An embedded Spark has one executor for two tasks, or ``cluster_size`` executors for one each.
    """
    return SessionSpec(
        app_name,
        num_executors=config.cluster_size or 1,
        cores_per_executor=1 if config.cluster_size else _SLOTS,
        memory_mb=config.executor_memory_mb,
        role_bytes=role_bytes,
        conf=RETRIES,
        ports=PortRange.parse(config.port_range),
    )
