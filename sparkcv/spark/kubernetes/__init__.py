"""Spark on Kubernetes: its API by Spark's own client, what a run may do there, and what becomes of its pods."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from sparkcv import logs

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["MASTER", "is_driver_pod", "is_kubernetes", "report_end", "runs_on"]

MASTER = "k8s"
_TERMINATION_LOG = "SPARKCV_TERMINATION_LOG", "/dev/termination-log"
_MOST_BYTES = 4000  # Kubernetes keeps 4096

_log = logs.get(__name__)


def runs_on(conf: Mapping[str, str]) -> bool:
    """Return whether these properties of Spark name Kubernetes for the master."""
    return bool(re.match(r"k8s(://|$)", conf.get("spark.master", "")))


def is_kubernetes(spark: "SparkSession") -> bool:
    """Return whether ``spark`` runs on Kubernetes."""
    return str(spark.sparkContext.master).startswith(MASTER)


def is_driver_pod() -> bool:
    """Return whether this process is the driver of an application that was submitted in cluster mode."""
    return "SPARK_DRIVER_BIND_ADDRESS" in os.environ and "SPARK_APPLICATION_ID" in os.environ


def report_end(message: str) -> None:
    """Write why a driver in a pod failed to where Kubernetes reads it: ``kubectl describe pod`` shows it.

    Does nothing outside of a pod. A container whose ``terminationMessagePath`` is another one says so by the variable
    ``SPARKCV_TERMINATION_LOG``.
    """
    name, default = _TERMINATION_LOG
    path = Path(os.environ.get(name, default))
    if name not in os.environ and "KUBERNETES_SERVICE_HOST" not in os.environ:
        return
    try:
        # Half a character would be no UTF-8, which no status of a pod may hold.
        path.write_text(message.encode(errors="replace")[:_MOST_BYTES].decode(errors="ignore"), encoding="utf-8")
    except OSError as err:  # a better report must not hide how the job ended
        _log.warning("Kubernetes will not say why this driver failed: %s cannot be written (%s)", path, err.strerror)
