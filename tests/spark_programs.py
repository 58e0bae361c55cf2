"""Test programs on a Spark's executors."""

from pathlib import Path


def add_programs(spark, folder: Path):
    """Return ``spark``, whose executors can import every module that stands in ``folder``."""
    for path in sorted(folder.glob("*.py")):
        spark.sparkContext.addPyFile(str(path))
    return spark
