"""Test programs on a Spark's executors."""

from pathlib import Path

PROGRAMS = Path(__file__).parent / "cluster" / "programs"  # those of most tests with roles


def add_programs(spark, folder: Path):
    """Return ``spark``, whose executors can import every module that stands in ``folder``."""
    for path in sorted(folder.glob("*.py")):
        spark.sparkContext.addPyFile(str(path))
    return spark
