"""The Spark application's side of the facts: its properties, its slots, and the wait for what was asked for."""

import time
from typing import TYPE_CHECKING, Any

from sparkcv import logs
from sparkcv.doctor import survey
from sparkcv.doctor.checks import exposure
from sparkcv.doctor.facts import Spark
from sparkcv.launchers import slots
from sparkcv.launchers.barrier import BarrierLauncher
from sparkcv.spark.session import submitted_executors

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["await_slots", "describe", "slots_most", "slots_now"]

_POLL_S = 0.2
_LOG_EVERY_S = 10.0
# Named one by one: a property that is not here may hold a password.
_PROPERTIES = (
    "spark.acls.enable",
    "spark.authenticate",
    "spark.driver.bindAddress",
    "spark.driver.host",
    "spark.dynamicAllocation.enabled",
    "spark.executor.cores",
    "spark.executor.instances",
    "spark.executor.memory",
    "spark.executor.memoryOverhead",
    "spark.executor.memoryOverheadFactor",
    "spark.executor.minMemoryOverhead",
    "spark.executor.pyspark.memory",
    "spark.executor.resource.gpu.amount",
    "spark.io.encryption.enabled",
    "spark.kubernetes.memoryOverheadFactor",
    "spark.memory.offHeap.enabled",
    "spark.memory.offHeap.size",
    "spark.network.crypto.enabled",
    "spark.pyspark.python",
    "spark.redaction.regex",
    exposure.ACKNOWLEDGED,
    "spark.speculation",
    "spark.ssl.enabled",
    "spark.ssl.rpc.enabled",
    "spark.submit.deployMode",
    "spark.task.cpus",
    "spark.task.resource.gpu.amount",
    "spark.ui.enabled",
    "spark.ui.view.acls",
)

_log = logs.get(__name__)


def describe(spark: "SparkSession") -> Spark:
    """Return what the driver's Spark says of the application now."""
    context = spark.sparkContext
    given = dict(context.getConf().getAll())
    now = slots_now(spark)
    return Spark(
        master=context.master,
        conf={name: given[name] for name in _PROPERTIES if name in given},
        slots_now=now,
        slots_most=slots_most(spark),
        executors_asked=submitted_executors(spark),
        executors=survey.executors(spark),
        limits_mb=_container_limits_mb(context) if context.master == "yarn" else (0, 0),
    )


def slots_now(spark: "SparkSession") -> int:
    """Return how many tasks can run at once on the executors that are there now."""
    scala = spark.sparkContext._jsc.sc()
    return int(scala.maxNumConcurrentTasks(scala.resourceProfileManager().defaultResourceProfile()))


def await_slots(spark: "SparkSession", wanted: int, timeout_s: float) -> int:
    """Wait until ``wanted`` tasks can run at once, or the time is up; return how many can."""
    if not _is_dynamic(spark):
        return slots.await_slots(BarrierLauncher(spark), wanted, timeout_s).now
    start_s = logged_s = time.monotonic()
    now = slots_now(spark)
    while now < wanted and time.monotonic() < start_s + timeout_s:
        if time.monotonic() > logged_s + _LOG_EVERY_S:
            logged_s = time.monotonic()
            _log.info("waiting for executors: %d of %d task slots are there", now, wanted)
        time.sleep(_POLL_S)  # executors register when the cluster has resources: there is nothing to wait on
        now = slots_now(spark)
    return now


def slots_most(spark: "SparkSession") -> int | None:
    """Return how many tasks can run at once when all that was asked for is there; None: open."""
    return None if _is_dynamic(spark) else BarrierLauncher(spark).slots().most


def _is_dynamic(spark: "SparkSession") -> bool:
    return bool(spark.sparkContext.getConf().get("spark.dynamicAllocation.enabled", "false") == "true")


def _container_limits_mb(context: Any) -> tuple[int, int]:
    """Return the smallest and the largest container by this client's yarn-site.xml, else by Hadoop's defaults."""
    conf = context._jvm.org.apache.hadoop.yarn.conf.YarnConfiguration()
    return (
        int(conf.getInt("yarn.scheduler.minimum-allocation-mb", 1024)),
        int(conf.getInt("yarn.scheduler.maximum-allocation-mb", 8192)),
    )
