"""Properties of the application with which roles cannot start together, or not live."""

from collections.abc import Iterator

from sparkcv.doctor import estimate
from sparkcv.doctor.facts import Facts
from sparkcv.doctor.finding import APPLICATION, FAIL, OK, WARNING, Finding, quantity
from sparkcv.spark.memory import megabytes

__all__ = ["check"]

_CHECK = "settings"


def check(facts: Facts) -> Iterator[Finding]:
    """Check dynamic allocation, speculation, and the bound on a Python process's address space."""
    spark = facts.spark
    if spark.is_on("spark.dynamicAllocation.enabled"):
        yield Finding(
            _CHECK,
            APPLICATION,
            FAIL,
            "spark.dynamicAllocation.enabled is true, but all roles have to start together",
            f"--conf spark.dynamicAllocation.enabled=false --num-executors {facts.num_roles}",
        )
    else:
        yield Finding(_CHECK, APPLICATION, OK, "dynamic allocation is off")
    yield _address_space(facts)
    if spark.is_on("spark.speculation"):
        yield Finding(
            _CHECK,
            APPLICATION,
            WARNING,
            "spark.speculation is true: roles are exempt from it, but converting and scoring do the work twice",
            "--conf spark.speculation=false",
        )
    else:
        yield Finding(_CHECK, APPLICATION, OK, "speculation is off")


def _address_space(facts: Facts) -> Finding:
    """Check Spark's bound on the address space: TensorFlow maps far more than it uses."""
    text = facts.spark.conf.get("spark.executor.pyspark.memory", "")
    if not text:
        return Finding(_CHECK, APPLICATION, OK, "spark.executor.pyspark.memory is not set")
    bound, wanted = megabytes(text) * 2**20, estimate.address_space(facts.config)
    return Finding(
        _CHECK,
        APPLICATION,
        FAIL if bound < wanted else WARNING,
        f"spark.executor.pyspark.memory={text} bounds the address space (RLIMIT_AS) of each role's process, of which"
        f" TensorFlow maps {quantity(wanted, 'bytes')} and more, far more than it uses",
        "leave spark.executor.pyspark.memory out and set spark.executor.memoryOverhead",
    )
