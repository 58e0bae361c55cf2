"""Whether all roles can run at once, and whether every executor could be examined."""

import math
from collections.abc import Iterator

from sparkcv.doctor.checks import memory
from sparkcv.doctor.facts import Facts, Silent, Spark
from sparkcv.doctor.finding import APPLICATION, FAIL, OK, WARNING, Finding
from sparkcv.spark.memory import overrun

__all__ = ["check", "check_asked", "check_silent"]

_CHECK = "slots"
_ARCHIVE = "--archives hdfs:///user/${USER}/Python.zip#Python --conf spark.pyspark.python=Python/bin/python3"
# What Spark says of a task that could not even start, and what mends it.
_ADVICE = (
    ("same minor version", "run build_zip.sh with the driver's Python, or submit with --deploy-mode cluster"),
    ("does not start", _ARCHIVE),
    ("No module named", _ARCHIVE),
    ("has no module", _ARCHIVE),
    ("did not end within", "see what holds the executors' slots, or raise --examination_timeout_s"),
    ("given up", "mend what failed first, and examine again"),
    ("no executor was there", "wait for room in the queue, or name another by --queue"),
)
_ELSE = "see this executor's log (yarn logs -applicationId ...)"


def check(facts: Facts) -> Iterator[Finding]:
    """Compare task slots with roles, and show what Spark says of executors that did not answer."""
    yield _slots(facts)
    yield from check_silent(facts)


def check_silent(facts: Facts) -> Iterator[Finding]:
    """Show what Spark says of executors that did not answer."""
    for silent in facts.silent:
        status = FAIL if silent.is_own else WARNING
        yield Finding(_CHECK, silent.place, status, f"not examined: {silent.why}", _advice(silent, facts))


def check_asked(facts: Facts) -> Iterator[Finding]:
    """Check whether enough was asked for, which is known before anything was granted."""
    most = facts.spark.slots_most
    if most is not None and most < facts.num_roles:
        yield _slots(facts)


def _slots(facts: Facts) -> Finding:
    spark, wanted = facts.spark, facts.num_roles
    needs = f"{wanted} roles need {wanted} task slots at once"
    if spark.slots_most is not None and spark.slots_most < wanted:
        found = f"{needs}, but the Spark application asked for {spark.slots_most}"
        return Finding(_CHECK, APPLICATION, FAIL, found, _more(spark, wanted))
    if spark.slots_now < wanted:
        found = f"{needs}, but only {spark.slots_now} are there: the cluster did not grant the rest"
        advice = "wait for room in the queue, name another by --queue, ask for less memory or cores an executor, or use"
        return Finding(_CHECK, APPLICATION, FAIL, found, f"{advice} fewer roles (--cluster_size)")
    found = f"{wanted} roles, {spark.slots_now} task slots on {len(spark.executors)} executors"
    if spark.slots_most is not None and spark.slots_now < spark.slots_most:
        found += f"; the cluster has not granted the other {spark.slots_most - spark.slots_now} that were asked for"
        return Finding(_CHECK, APPLICATION, WARNING, found, "wait for room in the queue, or ask for fewer executors")
    return Finding(_CHECK, APPLICATION, OK, found)


def _more(spark: Spark, wanted: int) -> str:
    if spark.master.startswith("local["):
        return f"--master local[{wanted}], or fewer roles (--cluster_size)"
    slots_each = max(1, (spark.slots_most or 1) // max(1, spark.executors_asked or 1))
    return f"submit with --num-executors {math.ceil(wanted / slots_each)}, or use fewer ps and workers (--cluster_size)"


def _advice(silent: Silent, facts: Facts) -> str:
    if overrun(silent.why) is not None:  # of one process that does no more than load TensorFlow
        return memory.advice(facts)
    return next((advice for words, advice in _ADVICE if words in silent.why), _ELSE)
