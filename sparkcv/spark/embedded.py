"""Embedded Spark: a real cluster of processes for one job, on a machine where no Spark is installed.

``python jobs/X.py`` needs nothing but this: Spark's own ``local-cluster`` master starts executors as processes on
127.0.0.1, and everything they leave on disk lies in one temporary folder that goes with them. A job whose work is in
its tasks' Python processes alone needs no executors beside the driver's Java (``local``): each would take a second and
3 to 5 CPU-seconds to start and to load and compile the same classes once more.
"""

import contextlib
import logging
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from sparkcv import logs
from sparkcv.config.port_range import PortRange
from sparkcv.errors import ClusterError, SparkcvError, UsageError
from sparkcv.spark import class_data, python_daemon
from sparkcv.spark.errors import spark_sentence
from sparkcv.spark.spark_home import LOOPBACK, lay_out
from sparkcv.storage.kerberos import conf as kerberos

if TYPE_CHECKING:
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

__all__ = ["embedded_session", "interrupts_kept"]

_STOP_TIMEOUT_S = 20
_MAX_FAILURES = "4"  # of a task, Spark's default
_DRIVER_MB = 1024  # the heap of a driver, Spark's default
_EXIT_TIMEOUT_S = 20
_OUT_OF_HEAP = 52  # SparkExitCode.OOM


@contextlib.contextmanager
def embedded_session(
    app_name: str, num_executors: int, cores: int, memory_mb: int, conf: Mapping[str, str], ports: PortRange
) -> Iterator["SparkSession"]:
    """Open a session of its own; all arguments are as ``session.spark_session`` says.

    Raises ClusterError with Java's last words if Spark did not start, or how Java ended if it did so before the block,
    and UsageError for too few ``ports``.
    """
    bounds = _port_conf(ports, num_executors, cores)
    root = Path(tempfile.mkdtemp(prefix="sparkcv-spark-"))
    try:
        environment = lay_out(root)
        sizes = _sizes(num_executors, cores, memory_mb, conf.get("spark.task.maxFailures", _MAX_FAILURES))
        settings = _embedded_conf(root, app_name) | sizes | bounds | dict(conf)
        with (
            _environment(environment),
            _gateway(settings, root / "java.log") as gateway,
            _session(settings, gateway, root) as spark,
            _end_told(spark, gateway.proc, root / "java.log"),
        ):
            yield spark
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _sizes(num_executors: int, cores: int, memory_mb: int, max_failures: str) -> dict[str, str]:
    if not num_executors:  # there ``spark.task.maxFailures`` is not looked at, and is 1
        return {
            "spark.master": f"local[{cores},{max_failures}]",
            "spark.driver.memory": f"{_DRIVER_MB + memory_mb}m",  # its own, and for the tasks as an executor has it
            # Python workers start in the user's folder here: a file of it must not hide a package.
            "spark.executorEnv.PYTHONSAFEPATH": "1",
        }
    return {
        "spark.master": f"local-cluster[{num_executors},{cores},{memory_mb}]",
        "spark.executor.memory": f"{memory_mb}m",
        "spark.executor.cores": str(cores),
        "spark.cores.max": str(num_executors * cores),
    }


def _embedded_conf(root: Path, app_name: str) -> dict[str, str]:
    temporary = root / "tmp"
    # Killed, Java leaves its unpacked libraries in its temporary folder.
    java_options = f'{class_data.QUICK_JAVA} "-Djava.io.tmpdir={temporary}"'
    if files := kerberos.named_files():  # Java knows of one, and does not look at the variable
        java_options += f' "-Djava.security.krb5.conf={files[0]}"'
    return {
        "spark.app.name": app_name,
        # The first job waits for all executors: half a cluster would take all the work, or refuse it.
        "spark.scheduler.minRegisteredResourcesRatio": "1.0",
        "spark.driver.host": LOOPBACK,
        "spark.driver.bindAddress": LOOPBACK,
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.log.level": "ERROR",
        "spark.executorEnv.PYTHONPATH": _python_path(),
        "spark.executorEnv.TMPDIR": str(temporary),
        "spark.dynamicAllocation.enabled": "false",
        "spark.python.daemon.module": python_daemon.MODULE,
        **class_data.conf(java_options),
    }


def _port_conf(ports: PortRange, num_executors: int, cores: int) -> dict[str, str]:
    """Return Spark's own ports, from the lowest upwards; each role and the control channel need one as well."""
    if not ports:
        return {}
    # The driver and its blocks, the blocks of each executor, a role for each slot, the job's own channel.
    wanted = 2 + num_executors + num_executors * cores + 1
    if len(ports) < wanted:
        what = (
            f"of {num_executors} executors: two for its driver, one for each executor and each role, one for the"
            " control channel"
            if num_executors
            else "without executors: two for its driver, one for the job's own"
        )
        raise UsageError(f"--port_range {ports}: got {len(ports)} ports, wanted {wanted} for an embedded Spark {what}")
    first = dict.fromkeys(("spark.driver.port", "spark.blockManager.port", "spark.ui.port"), str(ports.low))
    return first | {"spark.port.maxRetries": str(len(ports) - 1)}  # of each, one port further at a time


def _python_path() -> str:
    """Return the PYTHONPATH that an executor needs to import this very sparkcv, from a folder or from a zip."""
    home = str(Path(__file__).parents[2])
    rest = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    return os.pathsep.join([home, *(entry for entry in rest if entry != home)])


@contextlib.contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextlib.contextmanager
def interrupts_kept() -> Iterator[None]:
    """Undo pyspark's SIGINT handler, which asks Java in the midst of another question, or where Java is gone."""
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def _gateway(settings: Mapping[str, str], log: Path) -> Iterator[Any]:
    """Start Spark's Java process, whose stderr goes to a file: its banner lines are no news to a user."""
    from pyspark import SparkConf
    from pyspark.errors import PySparkRuntimeError
    from pyspark.java_gateway import launch_gateway

    conf = SparkConf(loadDefaults=False).setAll(list(settings.items()))
    with log.open("wb") as stderr:
        try:
            gateway = launch_gateway(conf=conf, popen_kwargs={"stderr": stderr, "stdout": stderr})
        except (PySparkRuntimeError, OSError) as err:
            raise ClusterError(f"embedded Spark did not start ({err}): {_last_words(log)}") from err
    try:
        yield gateway
    finally:
        _end_java(gateway.proc, gateway)


@contextlib.contextmanager
def _end_told(spark: "SparkSession", process: "subprocess.Popen[bytes]", log: Path) -> Iterator[None]:
    """Raise a ClusterError that says how Java ended for an error of the block that comes of that."""
    context = spark.sparkContext
    heap = context.getConf().get("spark.driver.memory")
    try:
        yield
    except Exception as err:
        if not _is_of_java(err) or not _has_stopped(context) or (code := _exit_code(process)) is None:
            raise
        raise ClusterError(_end_sentence(code, heap, log)) from err


def _is_of_java(err: Exception) -> bool:
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    if isinstance(err, SparkcvError) and type(err) is not ClusterError:
        return False  # it says more
    said = err.__cause__ if isinstance(err, ClusterError) else err
    return isinstance(said, (Py4JError, PySparkException, ConnectionError))


def _has_stopped(context: "SparkContext") -> bool:
    """Return whether Java has stopped Spark by itself, as it does first where it ends, or does not answer any more."""
    from py4j.protocol import Py4JError

    try:
        return bool(context._jsc.sc().isStopped())
    except (Py4JError, OSError, AttributeError):  # the last where the block itself has stopped it
        return True


def _exit_code(process: "subprocess.Popen[bytes]") -> int | None:
    """Return how Java ended; None if it runs: its sockets are closed a little before it has ended."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        return process.wait(_EXIT_TIMEOUT_S)
    return None


def _end_sentence(code: int, heap: str | None, log: Path) -> str:
    if code < 0:
        return f"the embedded Spark's Java was killed by signal {-code}, by a person or for want of memory"
    if code == _OUT_OF_HEAP:
        given = f" of {heap}: more is given by --executor_memory_mb, where the job has it" if heap else ""
        return f"the embedded Spark's Java has used up its heap{given}"
    return f"the embedded Spark's Java ended with exit code {code}: {_last_words(log)}"


def _last_words(log: Path) -> str:
    text = log.read_text(errors="replace").strip().splitlines()
    return logs.clean(" / ".join(text[-5:])) or "Java said nothing; is Java 17 on the PATH or in JAVA_HOME?"


def _end_java(process: "subprocess.Popen[bytes]", gateway: Any) -> None:
    """End Java and the executors that it started, and forget them, so that the next session starts afresh."""
    from pyspark import SparkContext

    family = [process.pid, *_descendants(process.pid)]
    with SparkContext._lock:
        SparkContext._gateway = None
        SparkContext._jvm = None
    gateway.shutdown()
    if process.stdin is not None:
        process.stdin.close()  # Spark's gateway exits on the end of its input
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_STOP_TIMEOUT_S)
    _end_processes(family)
    process.wait(_STOP_TIMEOUT_S)


def _descendants(pid: int) -> list[int]:
    try:
        return [child.pid for child in psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _end_processes(pids: list[int]) -> None:
    alive = []
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess):
            alive.append(psutil.Process(pid))
    _, alive = psutil.wait_procs(alive, timeout=_STOP_TIMEOUT_S / 4)
    for process in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(alive, timeout=_STOP_TIMEOUT_S / 4)


@contextlib.contextmanager
def _session(settings: Mapping[str, str], gateway: Any, root: Path) -> Iterator["SparkSession"]:
    from py4j.protocol import Py4JError
    from pyspark import SparkConf, SparkContext
    from pyspark.sql import SparkSession

    try:
        with warnings.catch_warnings(), interrupts_kept():
            warnings.simplefilter("ignore", FutureWarning)  # its words on pandas' version are none for a user
            conf = SparkConf(loadDefaults=False, _jvm=gateway.jvm).setAll(list(settings.items()))
            context = SparkContext(conf=conf, gateway=gateway)
    except Py4JError as err:
        # Java has no word on it where it is gone.
        said = spark_sentence(err) if hasattr(err, "java_exception") else _last_words(root / "java.log")
        raise ClusterError(f"embedded Spark did not start: {said}") from err
    # When this process is killed, Java notices, ends, and takes the folder along.
    gateway.jvm.org.apache.spark.util.ShutdownHookManager.registerShutdownDeleteDir(gateway.jvm.java.io.File(str(root)))
    server: Any = context._accumulatorServer
    server.handle_error = lambda *_: None  # it would print a traceback where Java is killed
    spark = SparkSession(context)
    root_log = logging.getLogger()
    root_log.addFilter(_is_no_page)
    try:
        yield spark
    finally:
        _stop(spark)
        root_log.removeFilter(_is_no_page)


def _is_no_page(record: logging.LogRecord) -> bool:
    """Tell whether it is no traceback of py4j's, which logs one for each call that the end of Java interrupts."""
    return record.msg != "Exception while sending command."


def _stop(spark: "SparkSession") -> None:
    """Stop it, also where its Java is gone, which the block's error says: another session may follow."""
    from py4j.protocol import Py4JError

    context = spark.sparkContext
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # "Unable to cleanly shutdown Spark JVM process"
        try:
            spark.stop()
        except (Py4JError, OSError):
            context._jsc = None
            context.stop()
