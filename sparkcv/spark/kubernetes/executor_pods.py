"""The pods of a running application's executors, remembered from when they ran: Spark deletes those that failed."""

from typing import TYPE_CHECKING, Any

from sparkcv.spark.kubernetes import pods
from sparkcv.spark.kubernetes.client import ApiError
from sparkcv.spark.kubernetes.start import client_of

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["ExecutorPods"]


class ExecutorPods:
    """Knows the pods that are there when it is made, and when it is asked for one that it does not know."""

    def __init__(self, spark: "SparkSession"):
        self._spark = spark
        self._pods: dict[str, dict[str, Any]] = {}
        self._look()

    def named(self, executor: str) -> str:
        """Return the pod and the node of an executor: ``pod a on node b``; "" if the API does not say."""
        if executor not in self._pods:
            self._look()
        return pods.named(self._pods[executor]) if executor in self._pods else ""

    def lost(self, executor: str, reason: str) -> str:
        """Return why an executor was lost, from Spark's ``reason`` and what the API says; "" if it does not."""
        if executor not in self._pods:
            return ""
        try:
            return pods.lost(client_of(self._spark), self._pods[executor], reason)
        except ApiError:
            return ""

    def _look(self) -> None:
        """Remember the pods that are there; an API that does not answer costs no more than their names."""
        try:
            self._pods |= pods.executors(client_of(self._spark), self._spark.sparkContext.applicationId)
        except ApiError:
            return
