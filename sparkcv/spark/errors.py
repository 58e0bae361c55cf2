"""From Spark's exceptions, which are pages long, to the sentence that a person needs."""

import contextlib
import re
import signal
import sys
from collections.abc import Iterator

from sparkcv import errors
from sparkcv.errors import ClusterError, SparkcvError
from sparkcv.spark.executor_python import import_sentence
from sparkcv.spark.memory import missing_mb, overrun
from sparkcv.storage.hadoop import load_conf
from sparkcv.storage.hdfs.identity import wanted_principal

__all__ = [
    "heart",
    "known",
    "loss_sentence",
    "one_line",
    "own_error",
    "python_died",
    "quiet",
    "spark_sentence",
    "translated",
    "words_of",
]

_MAX_ERROR_CHARS = 600
_QUERY_LOGS = ("DataFrameQueryContextLogger", "SQLQueryContextLogger")
# Killed between its fork and its first word to the executor.
_DIED_EARLY = re.compile(
    r"EOFException\n(?:\s+at \S+\n){1,6}?\s+at org\.apache\.spark\.api\.python\.PythonWorkerFactory"
)
_PYTHON_ERROR = re.compile(r"^(?:[A-Za-z_][\w.]*\.)?[A-Z]\w*(?:Error|Exception|Interrupt|Exit): .*", re.MULTILINE)
_OWN_ERROR = re.compile(r"\bsparkcv\.errors\.(\w+): (.+)")
_VERSIONS = re.compile(
    r"PYTHON_VERSION_MISMATCH\].*?worker has different version: (\S+) than that in driver: ([\d.]*\d)", re.DOTALL
)
_NO_WORKER = re.compile(r"Error from python worker:\s*(?P<words>.*?)\s*PYTHONPATH was:", re.DOTALL)
_NO_PROGRAM = re.compile(r'Cannot run program "(?P<path>[^"]+)".*?error=\d+, (?P<words>[^\n]+)')
_EXIT_STATUS = re.compile(r"Exit status: (\d+)\.? Possible causes")
# Spark's own words of it say that a query that reads files by their path failed, and nothing of why.
_WITHOUT_REASON = "FAILED_TO_CREATE_PLAN_FOR_DIRECT_QUERY"
_QUEUE = re.compile(r"submitted by user\s*:?\s*(\S+) to unknown queue\s*:\s*(\S+)")
_NO_PROTECTION = re.compile(r"DestHost:destPort (\S+).*No common protection layer between client and server", re.DOTALL)


@contextlib.contextmanager
def translated(job: str = "the Spark stage") -> Iterator[None]:
    """Turn Spark's pages of Java and Python tracebacks into one sentence.

    Raises:
        SparkcvError: the error of ours that a task raised, as what it was.
        ClusterError: anything else that ended ``job``, with the setting to change where that is known.
    """
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    try:
        with quiet():
            yield
    except (PySparkException, Py4JError) as err:
        text = words_of(err)
        raise own_error(text) or ClusterError(f"{job} failed: {_stage_sentence(text)}") from err
    except ConnectionError as err:
        if isinstance(err, SparkcvError):
            raise
        raise ClusterError(f"{job} failed: Spark's Java process does not answer any more ({err})") from err


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Let errors of queries be raised alone: PySpark 4 also writes each as JSON to stderr, with Java's stack."""
    from pyspark.logger import PySparkLogger

    loggers = [PySparkLogger.getLogger(name) for name in _QUERY_LOGS]
    before = [logger.disabled for logger in loggers]
    for logger in loggers:
        logger.disabled = True
    try:
        yield
    finally:
        for logger, was_disabled in zip(loggers, before, strict=True):
            logger.disabled = was_disabled


def words_of(err: Exception) -> str:
    """Return what Spark's exception says; of one that says no reason, what its cause says."""
    text, cause = str(err), getattr(err, "_cause", None)
    return str(cause) if cause is not None and f"[{_WITHOUT_REASON}]" in text else text


def python_died(text: str) -> bool:
    """Return whether Spark's error says that a task's Python process died, at work or before it said its number."""
    return "Python worker exited unexpectedly" in text or _DIED_EARLY.search(text) is not None


def _stage_sentence(text: str) -> str:
    if advice := known(text):
        return advice
    if python_died(text) or "ExecutorLostFailure" in text:
        return (
            "a Python process of a task died, killed or out of memory, as often as Spark tries a task; give it more"
            " memory (on a cluster: spark.executor.memoryOverhead), or lower --batch_size where the job has it"
        )
    if python := _PYTHON_ERROR.findall(text):
        return one_line(python[-1])
    lines = _own_lines(text)  # between the ends stand one Java error after the other that the last one caused
    return one_line(lines[0] if len(lines) < 2 else f"{lines[0][: _MAX_ERROR_CHARS // 2]} [{lines[-1]}]")


def spark_sentence(err: Exception) -> str:
    """Return what a person needs of Spark's exception: the Python error in it if there is one, else its first lines."""
    java = getattr(err, "java_exception", None)
    return heart(str(java.getMessage()) if java is not None else f"{type(err).__name__}: {err}")


def heart(text: str) -> str:
    """Return the sentence in Spark's message: ours for what is known, else the last Python error, else all its lines.

    It is cut where it is too long for a report.
    """
    if advice := known(text):
        return advice
    text = text.rpartition("Most recent failure reason: ")[2]
    if python := _PYTHON_ERROR.findall(text):
        return one_line(python[-1])
    return one_line(" ".join(_own_lines(text)))


def _own_lines(text: str) -> list[str]:
    """Return the lines that are not of Java's stack; one at least."""
    lines = [line.strip() for line in text.splitlines()]
    return [line for line in lines if line and not line.startswith("at ")] or [""]


def own_error(text: str) -> SparkcvError | None:
    """Return the error of ours that a task raised, as the tracebacks in Spark's text have it; None for others' errors.

    One whose name is not known here, where executors run other code of ours, is a ClusterError.
    """
    found = _OWN_ERROR.findall(text)
    if not found:
        return None
    name, message = found[-1]  # what came of those before
    return (errors.by_name(name) or ClusterError)(message.strip())


def loss_sentence(text: str) -> str:
    """Return why an executor was lost, without YARN's guesses and pages where an exit status says it all."""
    if found := _EXIT_STATUS.search(text):
        number = int(found[1])
        if signal.SIGHUP <= number - 128 < signal.NSIG:
            return f"its container ended with exit status {number}, killed by signal {number - 128}"
        return f"its container ended with exit status {number}"
    return one_line(text)


def one_line(text: str) -> str:
    """Return ``text`` without line breaks, cut where it is too long for a report."""
    line = " ".join(text.split())
    return line if len(line) <= _MAX_ERROR_CHARS else line[:_MAX_ERROR_CHARS] + " ..."


def known(text: str) -> str:
    """Return our sentence for what Spark's message says of the cluster, with the setting to change; "" otherwise."""
    return one_line(_known(text))


def _known(text: str) -> str:
    if over := overrun(text):
        limit = f"{over.limit_bytes / 2**30:.1f} GB"
        killed = (
            f"YARN killed a container for its memory, {over.used_bytes / 2**30:.1f} GB of {limit} used"
            if over.used_bytes
            else f"a container was killed at its memory limit of {limit}"
        )
        return f"{killed}: raise spark.executor.memoryOverhead by {missing_mb(over)} MB"
    if found := _VERSIONS.search(text):
        return (
            f"the executors run Python {found[1]}, the driver {found[2]}, wanted the same minor version on both: "
            "set spark.pyspark.python (and PYSPARK_DRIVER_PYTHON in client mode), or build the archive with the "
            "driver's Python"
        )
    if found := _NO_WORKER.search(text):
        return f"the executors' Python does not start: {found['words']}: {_knob(found['words'])}"
    if found := _NO_PROGRAM.search(text):
        return f"the executors' Python {found['path']} does not start: {found['words']}: {_knob(found['words'])}"
    if (python := _PYTHON_ERROR.findall(text)) and (advice := import_sentence(python[-1])):
        return advice
    if found := _QUEUE.search(text):
        return f"YARN has no queue {found[2]!r} for user {found[1]}: submit with the --queue that you were given"
    if found := _NO_PROTECTION.search(text):
        conf = load_conf()
        mine = conf.values.get("hadoop.rpc.protection", "authentication")
        return (
            f"{wanted_principal()} is not let in by {found[1]}, which wants another protection of its traffic than this"
            f" client's: hadoop.rpc.protection is {mine} by {conf.place}; set it to what the cluster's daemons have,"
            " such as privacy, or HADOOP_CONF_DIR to the cluster's own configuration, and submit again"
        )
    return ""


def _knob(words: str) -> str:
    if "shared librar" in words:
        return "set spark.executorEnv.LD_LIBRARY_PATH (and spark.yarn.appMasterEnv.LD_LIBRARY_PATH) to Python/lib"
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    return f"see that spark.pyspark.python names a Python {version} for their platform, in --archives or on every host"
