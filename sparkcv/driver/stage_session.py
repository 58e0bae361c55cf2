"""What a Spark stage over pictures needs of Spark, by the flags that all such jobs have."""

from typing import Protocol

from sparkcv.config.port_range import PortRange
from sparkcv.spark.session import SessionSpec
from sparkcv.spark.stages import RETRIES

__all__ = ["stage_session", "stage_size"]

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

    See :func:`stage_size` for that of an embedded Spark.
    """
    return SessionSpec(
        app_name,
        *stage_size(config.cluster_size),
        memory_mb=config.executor_memory_mb,
        role_bytes=role_bytes,
        conf=RETRIES,
        ports=PortRange.parse(config.port_range),
    )


def stage_size(cluster_size: int | None) -> tuple[int, int]:
    """Return an embedded Spark's executors and the tasks of each: ``cluster_size`` and 1, or none and 2 at once."""
    return (cluster_size, 1) if cluster_size else (0, _SLOTS)
