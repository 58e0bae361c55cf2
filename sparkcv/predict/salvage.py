"""The rows that a killed run of the same day had scored: taken over by the next, so that it does what is missing.

A finished task's file is moved to its place at once, and what lies there is whole. (By Spark's default it waits in a
folder that its JVM, which outlives a killed driver for a moment, deletes.)

A run says beforehand in its staging folder what its rows depend on, and only rows of the very same model, input and
settings are taken.
"""

from typing import Any

from pyspark.sql import DataFrame, SparkSession

from sparkcv import logs, storage
from sparkcv.errors import MissingFileError, StorageError
from sparkcv.predict import publish

__all__ = ["COMMITTER", "SCORED", "describe", "find"]

SCORED = "scored"
COMMITTER = {"mapreduce.fileoutputcommitter.algorithm.version": "2"}
"""Options of the write."""

_ABOUT = "run.json"
_log = logs.get(__name__)


def describe(staging_url: str, about: dict[str, Any]) -> None:
    """Say what the rows of a run depend on: before it scores the first."""
    storage.write_json(storage.join(staging_url, _ABOUT), about)


def find(spark: SparkSession, leftovers: list[str], about: dict[str, Any], schema: str) -> DataFrame | None:
    """Return the rows, each id once, that dead runs with the same ``about`` had scored; None if there are none.

    Args:
        spark: the session that reads them.
        leftovers: staging folders of dead runs.
        about: what :func:`describe` was given.
        schema: of the rows, in Spark's DDL.
    """
    files: list[str] = []
    for url in leftovers:
        try:
            said = storage.read_json(storage.join(url, _ABOUT))
        except StorageError:
            continue
        if said == about:
            files += _files(storage.join(url, SCORED))
        else:
            _log.info("%s is of another model, input or setting, so its rows are not used", url)
    if not files:
        return None
    paths = [publish.hadoop_url(url, reading=True) for url in files]
    return spark.read.schema(schema).parquet(*paths).dropDuplicates(["id"])


def _files(url: str) -> list[str]:
    """Return the files of finished tasks below the folder that a job of Spark wrote into."""
    try:
        found = [entry.url for entry in storage.walk(url) if entry.name.endswith(".parquet")]
    except MissingFileError:
        return []
    # _temporary/0/_temporary holds those of attempts that had not finished.
    return [name for name in found if name[len(url) :].count("/_temporary/") < 2 and "/.spark-staging" not in name]
