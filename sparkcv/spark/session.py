"""The Spark session of a job: the submitted one, or an embedded cluster (embedded.py) where there is none."""

import contextlib
import dataclasses
import math
import os
import re
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from sparkcv import logs
from sparkcv.config.port_range import ANY_PORT, PortRange
from sparkcv.errors import EXIT_FAILED, EXIT_OK, ClusterError, SparkcvError, UsageError
from sparkcv.spark import kubernetes, startup_deadline, yarn
from sparkcv.spark.embedded import embedded_session, interrupts_kept
from sparkcv.spark.errors import spark_sentence
from sparkcv.spark.kubernetes import start as kubernetes_start
from sparkcv.spark.memory import executor_memory, overhead_for

if TYPE_CHECKING:
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

__all__ = [
    "SessionSpec",
    "bind_host",
    "bracketed",
    "default_fs",
    "is_submitted",
    "open_session",
    "spark_session",
    "submitted_executors",
]

# So that YARN records how the job ended, where the driver runs here, in client mode.
_CLIENT_MODE = {
    "spark.yarn.am.clientModeTreatDisconnectAsFailed": "true",  # else it is a success that the driver's Java was killed
    "spark.yarn.maxAppAttempts": "1",  # else YARN starts a second ApplicationMaster for a driver that has failed
}
_PASSED_ON = ("SPARKCV_STORAGE_WAIT_S",)
_log = logs.get(__name__)
_LOCAL_CLUSTER = re.compile(r"local-cluster\[\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*\]")


@dataclasses.dataclass(frozen=True)
class SessionSpec:
    """What a job needs of Spark.

    Attributes:
        app_name: the application's name.
        num_executors: processes of the embedded Spark; 0 if the tasks run beside the driver's Java, which suits a job
            without roles.
        cores_per_executor: task slots of each, or of the driver's Java.
        memory_mb: Java heap of each, in MB; what a task's Python processes use comes on top.
        role_bytes: what a task's Python processes take at most, 0 if it is not known. On YARN and Kubernetes, where
            the user has set neither ``spark.executor.memoryOverhead`` nor its factor, the containers are asked for
            large enough for it.
        conf: further Spark properties, of the embedded session or of a submitted one that is made here.
        ports: those that the embedded Spark keeps to. Of a submitted one they are bounded on its command line, and a
            warning says so.
    """

    app_name: str
    num_executors: int = 3
    cores_per_executor: int = 1
    memory_mb: int = 1024
    role_bytes: float = 0.0
    conf: Mapping[str, str] = dataclasses.field(default_factory=dict)
    ports: PortRange = ANY_PORT


@contextlib.contextmanager
def open_session(spec: SessionSpec) -> Iterator["SparkSession"]:
    """Give a session for one job: Spark's own under ``spark-submit``, an embedded one otherwise.

    Under ``spark-submit`` the sizes of ``spec`` are ignored, since the cluster was asked for on the command line, and
    a session that somebody else already made is used and left running. The embedded one listens on 127.0.0.1 only,
    shows no web page, and leaves no process and no file.

    Raises UsageError for a size below 1 and for too few ports, and ClusterError with Java's last words if embedded
    Spark did not start.
    """
    for name, least in (("num_executors", 0), ("cores_per_executor", 1), ("memory_mb", 1)):
        if getattr(spec, name) < least:
            raise UsageError(f"{name} counts from {least}, got {getattr(spec, name)}")
    startup_deadline.lift_storage_wait()
    conf = _passed_on() | dict(spec.conf)
    if is_submitted():
        num_slots = max(1, spec.num_executors) * spec.cores_per_executor
        with _submitted(spec.app_name, conf, spec.role_bytes, num_slots) as spark:
            _tell_ports(spark, spec.ports)
            yield spark
        return
    with embedded_session(
        spec.app_name, spec.num_executors, spec.cores_per_executor, spec.memory_mb, conf, spec.ports
    ) as spark:
        yield spark


def is_submitted() -> bool:
    """Tell whether Spark is there already, by ``spark-submit`` or a session of this process; else one is embedded."""
    return "PYSPARK_GATEWAY_PORT" in os.environ or _active_session() is not None


def spark_session(app_name: str, **settings: Any) -> AbstractContextManager["SparkSession"]:
    """Open the session of ``SessionSpec(app_name, **settings)``; see :func:`open_session`."""
    return open_session(SessionSpec(app_name, **settings))


def submitted_executors(spark: "SparkSession") -> int | None:
    """Return how many executors the session was submitted with, or None where that is not a fixed number.

    It is ``spark.executor.instances``, the first number of ``local-cluster[n,...]``, or 1 for ``local[...]``;
    with dynamic allocation, or where Spark's standalone master decides, it is None.
    """
    conf = spark.sparkContext.getConf()
    match = _LOCAL_CLUSTER.fullmatch(spark.sparkContext.master)
    if match:
        return int(match[1])
    if spark.sparkContext.master.startswith("local"):
        return 1
    if conf.get("spark.dynamicAllocation.enabled", "false") == "true":
        return None
    instances = conf.get("spark.executor.instances")
    return int(instances) if instances else None


def bind_host(spark: "SparkSession") -> tuple[str, str]:
    """Return the interface that the driver listens on, and its name as the executors reach it, by Spark's own answer.

    They are ``spark.driver.bindAddress`` and ``spark.driver.host``; of a driver in a pod both are the pod's address, as
    the name of its service may not be known to every executor's DNS yet.
    """
    conf = spark.sparkContext.getConf()
    host = conf.get("spark.driver.host", "127.0.0.1")
    if kubernetes.is_kubernetes(spark) and kubernetes.is_driver_pod():
        host = os.environ["SPARK_DRIVER_BIND_ADDRESS"]
    return conf.get("spark.driver.bindAddress", host), bracketed(host)


def bracketed(host: str) -> str:
    """Return a host so that ``:PORT`` may follow: an address of IPv6 in brackets, as Kubernetes has it without."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def default_fs(sc: "SparkContext") -> str:
    """Return Spark's default file system without a last slash: ``hdfs://namenode:8020``; a local one is ``file://``."""
    found = str(sc._jsc.hadoopConfiguration().get("fs.defaultFS") or "file:").rstrip("/")
    return "file://" if found == "file:" else found


def _passed_on() -> dict[str, str]:
    """Return what the user set for storage in the driver's environment, for the executors too."""
    return {f"spark.executorEnv.{name}": os.environ[name] for name in _PASSED_ON if name in os.environ}


def _active_session() -> "SparkSession | None":
    """Return the session that this process already has, without loading pyspark to find that it has none."""
    if "pyspark" not in sys.modules:
        return None
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

    # A session outlives its stopped context as an object: only the context says whether Spark runs.
    return SparkSession.getActiveSession() if SparkContext._active_spark_context is not None else None


@contextlib.contextmanager
def _submitted(app_name: str, conf: Mapping[str, str], role_bytes: float, num_slots: int) -> Iterator["SparkSession"]:
    found = _active_session()
    if found is not None:
        yield found
        return
    conf = _room(role_bytes, num_slots) | dict(conf)
    spark = _create(app_name, conf | kubernetes_start.check(conf))
    yarn.fail_unless_stopped(spark)
    exit_code = EXIT_FAILED
    try:
        kubernetes_start.await_executors(spark)
        yield spark
        exit_code = EXIT_OK
    except SparkcvError as err:
        exit_code = err.exit_code
        raise
    finally:
        yarn.stop(spark, exit_code)


def _room(role_bytes: float, num_slots: int) -> dict[str, str]:
    """Return the memoryOverhead that holds the tasks' processes, where the user left it to us; {} where he did not.

    Spark's own default, a tenth of the heap, holds no TensorFlow. The executors are asked for only once the session is
    made, so it is not too late for that in cluster mode either.
    """
    from pyspark import SparkConf, SparkContext

    SparkContext._ensure_initialized()
    conf = SparkConf(_jvm=SparkContext._jvm)
    overhead = "spark.executor.memoryOverhead"
    if (
        not role_bytes
        or not _has_containers(conf.get("spark.master"))
        or conf.contains(overhead)
        or conf.contains(f"{overhead}Factor")
    ):
        return {}
    cores, cpus = int(conf.get("spark.executor.cores", "1")), int(conf.get("spark.task.cpus", "1"))
    instances = int(conf.get("spark.executor.instances", "2"))  # Spark's default on YARN and Kubernetes
    slots = max(1, min(cores // cpus, math.ceil(num_slots / instances)))
    given = executor_memory(dict(conf.getAll()))
    wanted_mb = overhead_for(slots * role_bytes, given.heap_mb)
    if wanted_mb <= given.overhead_mb:  # Spark's own share of the heap
        return {}
    _log.info(
        "asking for executors with %s=%dm, as it is not set: %d of about %.1f GiB beside Java",
        overhead,
        wanted_mb,
        slots,
        role_bytes / 2**30,
    )
    return {overhead: f"{wanted_mb}m"}


def _has_containers(master: str) -> bool:
    return master == "yarn" or kubernetes.runs_on({"spark.master": master})


def _tell_ports(spark: "SparkSession", ports: PortRange) -> None:
    if ports and not spark.sparkContext.getConf().contains("spark.blockManager.port"):
        _log.warning(
            "--port_range %s bounds what the driver and the roles listen on, not Spark itself: submit with "
            "spark.driver.port, spark.blockManager.port and spark.port.maxRetries as well",
            ports,
        )


def _create(app_name: str, conf: Mapping[str, str]) -> "SparkSession":
    from py4j.protocol import Py4JError
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.appName(app_name)
    for key, value in (dict(conf) if yarn.is_cluster_mode() else _CLIENT_MODE | dict(conf)).items():
        builder = builder.config(key, value)
    try:
        with warnings.catch_warnings(), interrupts_kept():
            warnings.simplefilter("ignore", FutureWarning)  # its words on pandas' version are none for a user
            # On YARN it looks for --py-files where they are in client mode only, and finds them by PYTHONPATH.
            warnings.filterwarnings("ignore", "Failed to add file", RuntimeWarning)
            return builder.getOrCreate()
    except Py4JError as err:
        raise ClusterError(f"Spark did not start: {spark_sentence(err)}") from err
