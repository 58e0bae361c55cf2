"""Which Spark submits: the one of ``SPARK_HOME``, the one on the ``PATH``, or the pyspark that is installed here."""

import importlib.util
import os
import shutil
from pathlib import Path

from sparkcv.errors import UsageError

__all__ = ["find", "installed"]


def find() -> Path:
    """Return the folder that holds ``bin/spark-submit``; raises UsageError without one.

    spark-submit is started with it as ``SPARK_HOME``: pip's own finds its Spark by a script that breaks in a path
    with a space.
    """
    given = os.environ.get("SPARK_HOME")
    if given:
        if not _is_spark(Path(given)):
            raise UsageError(f"SPARK_HOME is {given!r}, which has no bin/spark-submit; wanted the folder of a Spark")
        return Path(given)
    on_path = shutil.which("spark-submit")
    if on_path and (home := Path(on_path).resolve().parents[1]) and (home / "jars").is_dir():
        return home
    if (home_of_package := installed()) is not None:
        return home_of_package
    raise UsageError(
        "found no Spark: SPARK_HOME is not set, no spark-submit is on the PATH, and this Python has no pyspark; wanted"
        " one of these"
    )


def installed() -> Path | None:
    """Return the folder of this Python's pyspark without importing it, or None."""
    spec = importlib.util.find_spec("pyspark")
    for place in (spec.submodule_search_locations or []) if spec else []:
        if _is_spark(Path(place)):
            return Path(place)
    return None


def _is_spark(home: Path) -> bool:
    return (home / "bin" / "spark-submit").is_file()
