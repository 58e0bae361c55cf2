"""What a job reports to YARN of its own end, so that YARN's web page and its exit state tell the truth.

In cluster mode the driver's Python is a child of the ApplicationMaster's Java, which learns no more than its exit code
and writes "User application exited with status 1" for a reason. It is reached here through Spark's gateway.
"""

import contextlib
import os
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from sparkcv import logs

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = [
    "fail_unless_stopped",
    "granted_executors",
    "is_cluster_mode",
    "is_container",
    "is_yarn",
    "java",
    "report_end",
    "start_time_left_s",
    "stop",
]

_MASTER = "ApplicationMaster$"
_GETTER = "org$apache$spark$deploy$yarn$ApplicationMaster$$master"  # Scala's names of private members
_ALLOCATOR = "org$apache$spark$deploy$yarn$ApplicationMaster$$allocator"
_BEFORE_SPARKS_OWN = 100  # Hadoop runs its hooks from the highest number down; Spark's is 40 with default settings
_FAILED = 1
_CLEAN_UP_S = 5.0
_WAIT_FOR_CONTEXT = "spark.yarn.am.waitTime", "100s"  # its name and Spark's default

_log = logs.get(__name__)


def is_container() -> bool:
    """Return whether this process runs inside a YARN container that Spark asked for."""
    return "CONTAINER_ID" in os.environ and "SPARK_YARN_STAGING_DIR" in os.environ


def is_cluster_mode() -> bool:
    """Return whether this process is the driver of an application submitted to YARN in cluster mode."""
    return is_container() and "PYSPARK_GATEWAY_PORT" in os.environ


def is_yarn(spark: "SparkSession") -> bool:
    """Return whether ``spark`` runs on YARN."""
    return bool(spark.sparkContext.master == "yarn")


def start_time_left_s() -> float | None:
    """Return the seconds in which the first SparkContext must be there, else YARN gives up; None without YARN."""
    if not is_cluster_mode():
        return None
    with _or_warn("the time that the ApplicationMaster leaves to the start is not known"):
        jvm, _ = java()
        text = jvm.java.lang.System.getProperty(*_WAIT_FOR_CONTEXT)
        wait_ms = jvm.org.apache.spark.network.util.JavaUtils.timeStringAsMs(text)
        up_ms = jvm.java.lang.management.ManagementFactory.getRuntimeMXBean().getUptime()
        return float(wait_ms - up_ms) / 1000
    return None


def granted_executors(spark: "SparkSession") -> int | None:
    """Return how many executors YARN has granted, started or not; None if it cannot be asked."""
    if not is_yarn(spark):
        return None
    with _or_warn("YARN does not say how many executors it has granted"):
        jvm, _ = java()
        if is_cluster_mode():
            allocator = getattr(_master(jvm)[0], _ALLOCATOR)()
            return int(allocator.getNumExecutorsRunning() + allocator.getNumExecutorsStarting())
        return _containers_in_use(jvm, spark) - 1  # one is the ApplicationMaster's
    return None


def report_end(message: str, exit_code: int, *, may_retry: bool) -> None:
    """Tell YARN that the application failed, and why; does nothing elsewhere than in cluster mode.

    The last act of a driver: Java ends at once, and YARN then ends this process. Without ``may_retry``
    no further attempt is made, whatever ``spark.yarn.maxAppAttempts`` allows.
    """
    if not is_cluster_mode():
        return
    with _or_warn("YARN will not say why this application failed"):
        jvm, gateway = java()
        master, attempt = _master(jvm)
        if not _field(master, "registered"):  # it registers with the first SparkContext, and was not to get one
            _register(jvm, gateway, master, attempt)
        failed = jvm.org.apache.hadoop.yarn.api.records.FinalApplicationStatus.FAILED
        if not may_retry or attempt.getAttemptId() >= _max_attempts(jvm, master):
            master.unregister(failed, message)
            _remove_staged_files(jvm, gateway, master)
        _finish(master, failed, exit_code, message)


def stop(spark: "SparkSession", exit_code: int) -> None:
    """Stop ``spark``; in YARN's client mode, the ApplicationMaster hears with which exit code the driver will end."""
    if exit_code and is_yarn(spark) and spark.sparkContext._jsc is not None:
        with _or_warn("YARN may count this application as succeeded"):
            spark.sparkContext._jsc.sc().stop(exit_code)
    spark.stop()


def fail_unless_stopped(spark: "SparkSession") -> None:
    """See to it that in client mode an application whose driver just dies counts as failed.

    Spark's own shutdown hook stops the context with exit code 0, and the ApplicationMaster calls that a success: after
    Ctrl-C, SIGTERM, or the death of the driver's Python. This one comes before it, with exit code 1.
    """
    if not is_yarn(spark) or is_cluster_mode():
        return
    with _or_warn("YARN may count this application as succeeded if its driver is killed"):
        jvm, gateway = java()
        context = spark.sparkContext._jsc.sc()
        invoke = jvm.java.lang.invoke
        kind = invoke.MethodType.methodType(jvm.java.lang.Void.TYPE, jvm.java.lang.Integer.TYPE)
        handle = invoke.MethodHandles.publicLookup().findVirtual(context.getClass(), "stop", kind).bindTo(context)
        bound = invoke.MethodHandles.insertArguments(handle, 0, _objects(jvm, gateway, _FAILED))
        runnable = jvm.java.lang.Class.forName("java.lang.Runnable")
        hook = invoke.MethodHandleProxies.asInterfaceInstance(runnable, bound)
        jvm.org.apache.hadoop.util.ShutdownHookManager.get().addShutdownHook(hook, _BEFORE_SPARKS_OWN)


def _master(jvm: Any) -> tuple[Any, Any]:
    """Return the ApplicationMaster that this driver is part of, and which attempt it is."""
    module = getattr(getattr(jvm.org.apache.spark.deploy.yarn, _MASTER), "MODULE$")
    return getattr(module, _GETTER)(), module.getAttemptId()


def _containers_in_use(jvm: Any, spark: "SparkSession") -> int:
    hadoop = jvm.org.apache.hadoop.yarn
    client = hadoop.client.api.YarnClient.createYarnClient()
    client.init(hadoop.conf.YarnConfiguration(spark.sparkContext._jsc.hadoopConfiguration()))
    client.start()
    try:
        name = hadoop.api.records.ApplicationId.fromString(spark.sparkContext.applicationId)
        return int(client.getApplicationReport(name).getApplicationResourceUsageReport().getNumUsedContainers())
    finally:
        client.stop()


def _finish(master: Any, status: Any, exit_code: int, message: str) -> None:
    from py4j.protocol import Py4JError

    with contextlib.suppress(Py4JError, OSError):  # Java can be gone before it has answered
        master.finish(status, exit_code, message)


@contextlib.contextmanager
def _or_warn(what_then: str) -> Iterator[None]:
    """Go on after an error of Java's with a warning: a better report to YARN must not hide how the job ended."""
    from py4j.protocol import Py4JError

    try:
        yield
    except (Py4JError, OSError, TypeError, AttributeError) as err:  # the latter two: a class that is not there
        _log.warning("%s: %s", what_then, logs.clean(str(err).split("\n")[0]))


def java() -> tuple[Any, Any]:
    """Return the Java process beside this driver, and the gateway to it."""
    from pyspark import SparkContext

    SparkContext._ensure_initialized()  # under spark-submit it connects to the Java process that is there
    return SparkContext._jvm, SparkContext._gateway


def _objects(jvm: Any, gateway: Any, *values: Any) -> Any:
    array = gateway.new_array(jvm.java.lang.Object, len(values))
    for at, value in enumerate(values):
        array[at] = value
    return array


def _field(target: Any, name: str) -> Any:
    field = target.getClass().getDeclaredField(name)
    field.setAccessible(True)
    return field.get(target)


def _call(jvm: Any, gateway: Any, target: Any, name: str, *values: Any) -> None:
    """Call a private method, which differs from others of its name by the number of its arguments."""
    for method in target.getClass().getDeclaredMethods():
        if method.getName() == name and method.getParameterCount() == len(values):
            method.setAccessible(True)
            method.invoke(target, _objects(jvm, gateway, *values))
            return
    raise AttributeError(f"{target.getClass().getName()} has no {name} of {len(values)} arguments")


def _register(jvm: Any, gateway: Any, master: Any, attempt: Any) -> None:
    nobody = jvm.scala.Option.empty()
    conf = jvm.org.apache.spark.SparkConf()
    _call(jvm, gateway, master, "registerAM", os.environ.get("NM_HOST", "localhost"), -1, conf, nobody, attempt)


def _max_attempts(jvm: Any, master: Any) -> int:
    conf = jvm.org.apache.spark.SparkConf()
    return int(_field(master, "client").getMaxRegAttempts(conf, _field(master, "yarnConf")))


def _remove_staged_files(jvm: Any, gateway: Any, master: Any) -> None:
    """Do what Spark does only where it unregisters itself; wait a moment only, as the NameNode may be away."""

    def remove() -> None:
        with _or_warn("the staged files stay"):
            staged = jvm.org.apache.hadoop.fs.Path(os.environ["SPARK_YARN_STAGING_DIR"])
            _call(jvm, gateway, master, "cleanupStagingDir", staged)

    thread = threading.Thread(target=remove, name="sparkcv-clean-up", daemon=True)
    thread.start()
    thread.join(_CLEAN_UP_S)
