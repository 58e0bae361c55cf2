"""From what the tasks wrote to a day that readers see: split, reconciled with the input, renamed."""

import re
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from sparkcv import storage
from sparkcv.errors import BudgetError, DataError, UsageError
from sparkcv.predict.schema import SCORED, ddl
from sparkcv.predict.staging import Staging

__all__ = ["PREDICTIONS", "REJECTS", "SCORED_SCHEMA", "check_budget", "hadoop_url", "reconcile", "split_scored"]

SCORED_SCHEMA = ddl(SCORED)
PREDICTIONS = "day"
REJECTS = "_rejects"  # inside the day, so that one rename publishes both; the underscore hides it from its readers

_ROWS_A_FILE = 1_000_000
_GLOB = re.compile(r"([\\*?\[\]{}])")


def hadoop_url(url: str, *, reading: bool = False) -> str:
    """Return a storage URL as Spark's own file systems spell it.

    A bare path is this machine's disk, whatever Spark's default file system is. Spark reads ``*?[]{}`` in a path as
    a pattern, so they are escaped for ``reading``. Raises UsageError for a store that lives in one process only.
    """
    if url.startswith("memory://"):
        raise UsageError(f"{url!r} is memory of this process, wanted a folder that Spark's executors reach too")
    full = f"file://{url}" if storage.local_path(url) == url else url
    return _GLOB.sub(r"\\\1", full) if reading else full


def split_scored(spark: SparkSession, staging: Staging, scored: str, num_rows: int) -> tuple[DataFrame, DataFrame]:
    """Write predictions and rejects apart, under ``staging``'s folder :data:`PREDICTIONS`; returns both as written.

    The tasks wrote them into one folder, ``scored``, in one stage; these rows hold no pictures and are small.
    """
    rows = spark.read.schema(SCORED_SCHEMA).parquet(hadoop_url(staging.join(scored), reading=True))
    files = -(-num_rows // _ROWS_A_FILE)
    day = staging.join(PREDICTIONS)
    parts = (
        (day, rows.where("reason IS NULL").drop("reason")),
        (storage.join(day, REJECTS), rows.where("reason IS NOT NULL").select("id", "filename", "reason")),
    )
    written = []
    for url, part in parts:
        part.coalesce(files).write.parquet(hadoop_url(url))
        written.append(spark.read.schema(part.schema).parquet(hadoop_url(url, reading=True)))
    return written[0], written[1]


def reconcile(ids: DataFrame, predictions: DataFrame, rejects: DataFrame) -> tuple[int, dict[str, int]]:
    """Compare what was written with the frozen input, as multisets: every id once, as one or the other.

    Return the number of predictions, and the number of rejects by the head of their reason. Raises DataError with
    an example if an id is missing, unknown or there twice.
    """
    written = predictions.select("id").unionAll(rejects.select("id"))
    both = _tally(ids, 1, 0).unionAll(_tally(written, 0, 1)).groupBy("id").agg(F.sum("wanted"), F.sum("got"))
    wrong = both.toDF("id", "wanted", "got").where("wanted != 1 OR got != 1").limit(1).collect()
    if wrong:
        raise DataError(
            f"the output does not fit the input: id {wrong[0].id!r} is there {wrong[0].got} times, it was given"
            f" {wrong[0].wanted} times; nothing was published"
        )
    heads = rejects.groupBy(F.substring_index("reason", ":", 1).alias("head")).count().collect()
    return predictions.count(), {row["head"]: row["count"] for row in heads}


def check_budget(num_rows: int, rejects: dict[str, int], budget: float) -> None:
    """Raise BudgetError if more than the share ``budget`` of the rows was rejected."""
    rejected = sum(rejects.values())
    if rejected > budget * num_rows:
        most = max(rejects, key=lambda head: rejects[head])
        raise BudgetError(
            f"{rejected} of {num_rows} pictures were rejected, --bad_image_budget {budget:g} allows"
            f" {int(budget * num_rows)}; the most frequent reason is {most!r} ({rejects[most]}); nothing was published"
        )


def _tally(ids: DataFrame, wanted: int, got: int) -> Any:
    return ids.select("id", F.lit(wanted).alias("wanted"), F.lit(got).alias("got"))
