"""Whether all roles can run at once, and whether every executor could be examined."""

import math
from collections.abc import Iterator

from sparkcv.cluster.doctor.facts import Facts, Silent, Spark
from sparkcv.cluster.doctor.finding import FAIL, OK, SETTINGS, Finding

__all__ = ["check", "check_asked", "check_told"]

_CHECK = "slots"
# What Spark says of a task that could not even start, and what mends it.
_KNOBS = (
    (
        ("different minor version", "PYTHON_VERSION_MISMATCH", "Python minor", "same minor"),
        "run build_zip.sh with the driver's Python, or submit with --deploy-mode cluster",
    ),
    (
        ("No module named 'sparkcv'", "No module named sparkcv"),
        "--py-files dist/sparkcv.zip",
    ),
    (
        ("Cannot run program", "cannot be run", "cannot be started", "No module named"),
        "--archives hdfs:///user/${USER}/Python.zip#Python --conf spark.pyspark.python=Python/bin/python3",
    ),
)


def check(facts: Facts) -> Iterator[Finding]:
    """Task slots against roles, and what Spark says of executors that told nothing."""
    yield _slots(facts)
    yield from check_told(facts)


def check_told(facts: Facts) -> Iterator[Finding]:
    """Executors that told nothing of themselves."""
    for silent in facts.silent:
        yield Finding(_CHECK, silent.place, FAIL, f"not examined: {silent.why}", _knob(silent))


def check_asked(facts: Facts) -> Iterator[Finding]:
    """What is known before anything was granted: whether enough was asked for."""
    most = facts.spark.slots_most
    if most is not None and most < facts.num_roles:
        yield _slots(facts)


def _slots(facts: Facts) -> Finding:
    spark, wanted = facts.spark, facts.num_roles
    needs = f"{wanted} roles need {wanted} task slots at once"
    if spark.slots_most is not None and spark.slots_most < wanted:
        found = f"{needs}, but the Spark application asked for {spark.slots_most}"
        return Finding(_CHECK, SETTINGS, FAIL, found, _more(spark, wanted))
    if spark.slots_now < wanted:
        found = f"{needs}, but only {spark.slots_now} are there: the cluster did not grant the rest"
        knob = "wait for room in the queue, name another by --queue, ask for less memory or cores an executor, or use"
        return Finding(_CHECK, SETTINGS, FAIL, found, f"{knob} fewer roles (--cluster_size)")
    found = f"{wanted} roles, {spark.slots_now} task slots on {len(spark.executors)} executors"
    return Finding(_CHECK, SETTINGS, OK, found)


def _more(spark: Spark, wanted: int) -> str:
    if spark.master.startswith("local["):
        return f"--master local[{wanted}], or fewer roles (--cluster_size)"
    slots_each = max(1, (spark.slots_most or 1) // max(1, spark.executors_asked or 1))
    return f"submit with --num-executors {math.ceil(wanted / slots_each)}, or use fewer ps and workers (--cluster_size)"


def _knob(silent: Silent) -> str:
    return next((knob for words, knob in _KNOBS if any(word in silent.why for word in words)), "")
