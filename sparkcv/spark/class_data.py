"""A class data archive: what Java found out about Spark's classes, kept, so that the next Java need not do it again.

A third of the CPU time of an embedded Spark's start is the loading and checking of some 15,000 classes, anew in each of
its Java processes. Java can write the result to a file and map it the next time (JEP 350). ``python -m
sparkcv.spark.class_data`` makes the file, 170 MB, in ``share/sparkcv`` of the Python environment, with which it goes;
from then on embedded sessions begin with it. Where Java or the jars have changed since, Java leaves it aside without a
word, and starts as if it were not there.
"""

import glob
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from sparkcv.errors import ClusterError, SparkcvError, StorageError

__all__ = ["QUICK_JAVA", "archive", "conf", "jars", "main", "make", "options"]

# What Java does not like about an archive it would say on standard output, where others' words are waited for.
_QUIET = "-Xlog:disable"
# Later versions of Java 17 move each archive to an address by chance, and with that read and write all of it: 0.15 s
# of CPU and 130 MB for each process, of which all could share the pages that they look at.
_IN_PLACE = "-XX:+UnlockDiagnosticVMOptions -XX:ArchiveRelocationMode=0"
# Several Java processes start on what may be two cores, for a job of minutes whose work is not in Java: the quick
# compiler and the simple collector alone halve the CPU time until the first job is done (48 s to 24 s here).
# Metaspace starts at 21 MB, and each step from there to the 90 MB that Spark's classes take collects all garbage. What
# jps and jstat read is written 20 times a second, to a file in /tmp that a killed process leaves.
QUICK_JAVA = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -XX:MetaspaceSize=128m -XX:-UsePerfData"
# What `local` has no use for, and executors and a driver on YARN begin with.
_FURTHER = (
    "org.apache.spark.deploy.master.Master",
    "org.apache.spark.deploy.worker.Worker",
    "org.apache.spark.deploy.yarn.ApplicationMaster",
    "org.apache.spark.executor.CoarseGrainedExecutorBackend",
)
_END_TIMEOUT_S = 300


def archive() -> Path:
    """Return where the archive of this Python environment lies, if it has one."""
    return Path(sys.prefix) / "share" / "sparkcv" / "spark.jsa"


def jars() -> str:
    """Return Spark's jars as a class path in a fixed order: an archive holds where the path begins as it did then."""
    folder = os.path.realpath(os.path.join(_spark_home(), "jars"))  # an embedded session's SPARK_HOME is one of links
    return os.pathsep.join(sorted(glob.glob(os.path.join(glob.escape(folder), "*.jar"))))


def options() -> str:
    """Return the Java options that name the archive, in Spark's quoting; "" where there is none."""
    return f'{_QUIET} {_IN_PLACE} "-XX:SharedArchiveFile={archive()}"' if archive().is_file() else ""


def conf(java_options: str) -> dict[str, str]:
    """Return Spark's properties that give driver and executors ``java_options``, and the archive if there is one."""
    properties = {"extraJavaOptions": f"{java_options} {options()}".strip()}
    if options():
        properties["extraClassPath"] = jars()
    return {f"spark.{side}.{name}": value for side in ("driver", "executor") for name, value in properties.items()}


def make() -> Path:
    """Make the archive, by a small job of Spark's in one process; takes about half a minute. Return its path.

    Raises StorageError if its folder cannot be written to, ClusterError if Java did not write it.
    """
    target = archive()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".making-", dir=target.parent) as folder:
            made = Path(folder) / target.name
            if _run(made, Path(folder)) or not made.is_file():  # half of one would be the end of who maps it
                raise ClusterError(f"Java has not written '{target}'; wanted a Java 17 of one's own, with 200 MB free")
            made.replace(target)
    except OSError as err:
        why = err.strerror or str(err)
        raise StorageError(f"cannot write to '{target.parent}': {why}; wanted an environment of one's own") from err
    return target


def _run(made: Path, folder: Path) -> int:
    """Start Spark in one Java, let it do a little of everything, wait until it has ended, and return its exit code."""
    from pyspark import SparkConf, SparkContext
    from pyspark.errors import PySparkRuntimeError
    from pyspark.java_gateway import launch_gateway
    from pyspark.sql import SparkSession, Window
    from pyspark.sql import functions as F

    from sparkcv.spark.stages import map_pieces

    settings = {
        "spark.app.name": "class data",
        "spark.master": "local[2]",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.local.dir": str(folder),
        "spark.driver.extraClassPath": jars(),
        "spark.driver.extraJavaOptions": f'{QUICK_JAVA} {_QUIET} "-XX:ArchiveClassesAtExit={made}"',
    }
    with (folder / "java.log").open("wb") as log:
        conf = SparkConf(loadDefaults=False).setAll(list(settings.items()))
        try:
            gateway: Any = launch_gateway(conf=conf, popen_kwargs={"stdout": log, "stderr": log})
        except PySparkRuntimeError as err:
            raise ClusterError(f"Java did not start ({err}); wanted Java 17 on the PATH or in JAVA_HOME") from err
    conf = SparkConf(loadDefaults=False, _jvm=gateway.jvm).setAll(list(settings.items()))
    context = SparkContext(conf=conf, gateway=gateway)
    spark = SparkSession(context)
    context.parallelize(range(2), 2).map(str).collect()
    spark.range(4).write.parquet(str(folder / "table"))
    table = spark.read.parquet(str(folder / "table"))
    # What a night of scores asks of its rows: groups of groups, a union, a window, samples.
    groups = table.unionAll(table).groupBy("id").agg(F.count("*").alias("n"), F.max(F.struct("id")).alias("most"))
    groups.agg(F.sum("n"), F.first(F.when(F.col("n") > 1, F.col("most")), ignorenulls=True)).collect()
    ranked = table.withColumn("rank", F.row_number().over(Window.partitionBy(F.col("id") % 2).orderBy("id")))
    ranked.where("rank <= 1").join(groups, "id", "left_anti").collect()
    map_pieces(spark, 1, lambda index: iter(()), "id long").collect()
    for name in _FURTHER:
        gateway.jvm.java.lang.Class.forName(name)
    spark.stop()
    gateway.shutdown()
    gateway.proc.stdin.close()
    try:
        code: int = gateway.proc.wait(_END_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        gateway.proc.kill()
        code = gateway.proc.wait()
    return code


def _spark_home() -> str:
    from pyspark.find_spark_home import _find_spark_home

    home: str = _find_spark_home()
    return home


def main() -> int:
    """Make it and say where it is, or why it could not be made; return the exit code."""
    os.environ["SPARK_HOME"] = _spark_home()  # where there is a space in it, its own scripts do not find it
    os.environ["PYSPARK_PYTHON"] = sys.executable
    try:
        print(f"class data of Spark's jars: {make()}")  # noqa: T201
    except SparkcvError as err:
        print(f"class_data: {err}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
