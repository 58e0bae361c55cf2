"""Whether a role's process starts on each executor and can load and use TensorFlow."""

from collections.abc import Iterator

from sparkcv.doctor.facts import Facts
from sparkcv.doctor.finding import FAIL, OK, Finding

__all__ = ["check"]

_CHECK = "tensorflow"
_ADVICE = (
    ("shared library", "--conf spark.executorEnv.LD_LIBRARY_PATH=Python/lib"),
    ("GLIBC", "build Python.zip on a system no newer than the oldest node"),
    ("illegal instruction", "install a TensorFlow built for this CPU, or keep the job off this host"),
    ("in time", "see what keeps this host's disk or CPU busy, or raise --start_timeout_s"),
    ("memory", "raise spark.executor.memoryOverhead"),
)
_ELSE = "--archives hdfs:///user/${USER}/Python.zip#Python (build_zip.sh makes it)"


def check(facts: Facts) -> Iterator[Finding]:
    """Check what became of the process that was started on each executor."""
    for machine in facts.executors:
        if machine.role_error:
            advice = next((advice for word, advice in _ADVICE if word in machine.role_error), _ELSE)
            found = f"a role's process cannot load TensorFlow: {machine.role_error}"
            yield Finding(_CHECK, machine.place, FAIL, found, advice)
        elif machine.role_seconds is not None:
            found = "a role's process loads TensorFlow and computes, in {}"
            yield Finding(_CHECK, machine.place, OK, found, amount=machine.role_seconds, unit="s")
