"""conf/spark-yarn.conf: every property in it is one that this Spark knows, with a value that it can read."""

import contextlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONF = ROOT / "conf" / "spark-yarn.conf"
# Any name may follow these.
OPEN = ("spark.executorEnv.", "spark.yarn.appMasterEnv.", "spark.executor.resource.", "spark.task.resource.")
OURS = ("spark.sparkcv.",)
UNREGISTERED = ("spark.port.maxRetries",)  # Spark reads it by its name alone
# Where Spark registers what it knows, when the object is loaded.
REGISTRIES = ("org.apache.spark.internal.config.package$", "org.apache.spark.deploy.yarn.config.package$")


def properties():
    """As Spark reads the file, the ones that are commented out too."""
    for line in CONF.read_text().splitlines():
        if found := re.fullmatch(r"(# )?(spark\.\S+)(?:\s+(\S+))?", line):
            yield found[2], found[3], bool(found[1])


@pytest.mark.spark
def test_every_property_is_one_that_spark_knows_and_can_read(spark):
    jvm = spark._jvm
    for name in REGISTRIES:
        jvm.java.lang.Class.forName(name)
    conf = jvm.org.apache.spark.SparkConf(False)
    found = list(properties())
    assert len(found) > 12
    for name, value, is_comment in found:
        if name.startswith(OPEN + OURS + UNREGISTERED):
            continue
        entry = jvm.org.apache.spark.internal.config.ConfigEntry.findEntry(name)
        assert entry is not None, f"Spark does not know {name}"
        if value is not None and not is_comment:
            conf.set(name, value)
            with contextlib.suppress(
                ValueError
            ):  # py4j cannot carry a BigDecimal, as which Spark counts spark.task.cpus
                conf.get(entry)  # a Java error for a value of another type


def test_every_property_stands_there_once_below_its_reason():
    names = [name for name, _, _ in properties()]
    assert len(names) == len(set(names))
    lines = CONF.read_text().splitlines()
    for at, line in enumerate(lines):
        if line and not line.startswith("#"):
            above = next(other for other in reversed(lines[:at]) if not other.startswith("spark."))
            assert above.startswith("# "), f"{line} has no reason above it"
