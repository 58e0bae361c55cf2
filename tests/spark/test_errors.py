"""One sentence of Spark's pages; the texts are what Spark 4.3 and Hadoop 3.5 wrote on a real cluster."""

import sys

import pytest

from sparkcv.errors import ChannelError, ClusterError, DataError
from sparkcv.spark.errors import heart, loss_sentence, own_error
from tests.tokens.made import secured_env

STAGE = (
    "Job aborted due to stage failure: Could not recover from a failed barrier ResultStage. Most recent failure "
    "reason: Stage failed because barrier task ResultTask(0, 1) finished unsuccessfully.\n"
)
OTHER_PYTHON = """org.apache.spark.api.python.PythonException: [PYTHON_EXCEPTION] An exception was thrown from the \
Python worker: Traceback (most recent call last):
  File "pyspark.zip/pyspark/worker_util.py", line 93, in check_python_version
    raise PySparkRuntimeError(
pyspark.errors.exceptions.base.PySparkRuntimeError: [PYTHON_VERSION_MISMATCH] Python in worker has different version: \
3.12 than that in driver: 3.11, PySpark cannot run with different minor versions.
Please check environment variables PYSPARK_PYTHON and PYSPARK_DRIVER_PYTHON are correctly set.
 SQLSTATE: 38000
"""
NO_LIBRARY = """org.apache.spark.SparkException:
Error from python worker:
  Python/bin/python3: error while loading shared libraries: libpython3.11.so.1.0: cannot open shared object file: No \
such file or directory
PYTHONPATH was:
  pyspark.zip:sparkcv.zip
org.apache.spark.SparkException: EOFException occurred while reading the port number from pyspark.daemon's stdout and \
terminated with code: 127..
\tat org.apache.spark.errors.SparkCoreErrors$.eofExceptionWhileReadPortNumberError(SparkCoreErrors.scala:58)
"""
NO_PROGRAM = """java.io.IOException: Cannot run program "Python/bin/python3": error=2, No such file or directory
\tat java.base/java.lang.ProcessBuilder.start(ProcessBuilder.java:1143)
Caused by: java.io.IOException: error=2, No such file or directory
"""
WRONG_PLATFORM = NO_PROGRAM.replace("error=2, No such file or directory", "error=8, Exec format error")
NO_QUEUE = (
    "Failed to submit application_1_0018 to YARN : Application application_1_0018 submitted by user root"
    "Application application_1_0018 submitted by user root to unknown queue: nope"
)
KILLED = (
    "Container from a bad node: container_1_0009_01_000002 on host: node7. Exit status: 137. Possible causes: "
    "Unknown executor exit code (137) (died from signal 9?) Diagnostics: [2026-11-21 10:17:53.462]Container killed on "
    "request. Exit code is 137\n[2026-11-21 10:17:53.462]Container exited with a non-zero exit code 137. \n"
)
OVER = (
    "ExecutorLostFailure (executor 3 exited caused by one of the running tasks) Reason: Container killed by YARN for "
    "exceeding physical memory limits. 2.5 GB of 2 GB physical memory used. Consider boosting "
    "spark.executor.memoryOverhead.\nDriver stacktrace:\n"
)
VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (OTHER_PYTHON, "the executors run Python 3.12, the driver 3.11, wanted the same minor version on both: "),
        (
            NO_LIBRARY,
            "the executors' Python does not start: Python/bin/python3: error while loading shared libraries: "
            "libpython3.11.so.1.0: cannot open shared object file: No such file or directory: "
            "set spark.executorEnv.LD_LIBRARY_PATH",
        ),
        (
            NO_PROGRAM,
            "the executors' Python Python/bin/python3 does not start: No such file or directory: "
            f"see that spark.pyspark.python names a Python {VERSION}",
        ),
        (WRONG_PLATFORM, "the executors' Python Python/bin/python3 does not start: Exec format error: see that"),
        (NO_QUEUE, "YARN has no queue 'nope' for user root: submit with the --queue"),
        (OVER, "YARN killed a container for its memory, 2.5 GB of 2.0 GB used: raise spark.executor.memoryOverhead by"),
        (
            "pod a on node b was OOMKilled (exit code 137), over its memory limit of 1024 MB",
            "a container was killed at its memory limit of 1.0 GB: raise spark.executor.memoryOverhead by 256 MB",
        ),
        ("a.b.PythonException: Traceback:\n  File x\nValueError: too much\n", "ValueError: too much"),
        ("it broke\n\tat java.lang.Thread.run(Thread.java:833)\n", "it broke"),
    ],
)
def test_the_heart_of_a_message_is_one_sentence(text, sentence):
    for whole in (text, STAGE + text):
        found = heart(whole)
        assert sentence in found
        assert "\n" not in found
    assert heart(text).startswith(sentence)


@pytest.mark.parametrize(
    ("reason", "sentence"),
    [
        (KILLED, "its container ended with exit status 137, killed by signal 9"),
        (KILLED.replace("137", "52"), "its container ended with exit status 52"),
        (
            "Container marked as failed: c_1. Exit status: 143. Possible causes: x",
            "exit status 143, killed by signal 15",
        ),
        ("Executor heartbeat timed out\nafter 126008 ms", "Executor heartbeat timed out after 126008 ms"),
        ("Container c_1 on host h was preempted.", "Container c_1 on host h was preempted."),
    ],
)
def test_a_lost_executor_is_one_sentence(reason, sentence):
    assert loss_sentence(reason).endswith(sentence)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("Traceback\nsparkcv.errors.DataError: row 0 is odd\n\tat java.Some", DataError("row 0 is odd")),
        ("sparkcv.errors.StorageError: no\nwhich was the cause of\nsparkcv.errors.DataError: late", DataError("late")),
        ("x.PythonException: sparkcv.errors.ChannelError: gone ", ChannelError("gone")),
        ("ValueError: no good", None),
        ("sparkcv.errors.NoSuchError: no good", ClusterError("no good")),
        ("my_sparkcv.errors.DataError: of a user", None),
        ("", None),
    ],
)
def test_our_own_error_is_found_in_sparks_text_and_no_other(text, error):
    found = own_error(text)
    assert type(found) is type(error)
    assert str(found) == str(error)


def test_a_daemon_that_wants_another_protection_is_one_sentence_with_principal_and_setting(tmp_path, monkeypatch):
    env = secured_env(tmp_path, {"hadoop.rpc.protection": "integrity"})
    for key, value in (env | {"HADOOP_USER_NAME": "alice"}).items():
        monkeypatch.setenv(key, value)
    text = (
        "DestHost:destPort node1:8032 , LocalHost:localPort vm/127.0.0.1:0. Failed on local exception:"
        " javax.security.sasl.SaslException: No common protection layer between client and server"
    )
    assert heart(text) == (
        "alice@HERE.TEST is not let in by node1:8032, which wants another protection of its traffic than this client's:"
        f" hadoop.rpc.protection is integrity by the Hadoop configuration '{tmp_path}'; set it to what the cluster's"
        " daemons have, such as privacy, or HADOOP_CONF_DIR to the cluster's own configuration, and submit again"
    )
