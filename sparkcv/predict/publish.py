"""From what the tasks wrote to a day that readers see: split, reconciled with the input, renamed."""

import contextlib
import dataclasses
import datetime
import re
from collections.abc import Iterable, Iterator
from typing import Any

from pyspark.sql import Column, DataFrame, Observation, SparkSession
from pyspark.sql import functions as F

from sparkcv import storage
from sparkcv.errors import BudgetError, DataError, UsageError
from sparkcv.predict.rows import KeptColumn
from sparkcv.predict.staging import Staging
from sparkcv.predict.tables import REJECTS
from sparkcv.records.reasons import allowed, most_frequent

__all__ = [
    "DayCounts",
    "MARKS",
    "PREDICTIONS",
    "check_budget",
    "hadoop_url",
    "reconcile",
    "shape",
    "split_scored",
]

MARKS = ("damaged", "has_more_frames")
"""Columns that say of a prediction that its picture is not all that a person may take it for."""

PREDICTIONS = "day"  # rejects lie inside it, so that one rename publishes both

_ROWS_A_FILE = 1_000_000
_TIMES = "spark.sql.parquet.outputTimestampType"
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_GLOB = re.compile(r"([\\*?\[\]{}])")
_MOST_SENTENCES = 1000
_HALF = "(reason IS NULL) = (label IS NULL OR label_id IS NULL OR score IS NULL OR top_k IS NULL)"
# What differs between two rejects for the same reason: names in quotes, bytes in hexadecimal, numbers.
_DETAILS = r"('[^']*'|\b[0-9a-f]{8}\b|[0-9]+)"


@dataclasses.dataclass(frozen=True)
class DayCounts:
    """What was counted in a day's rows: predictions, and rejects by the head of their reason and by its sentence.

    In a sentence ``#`` stands for names, bytes and numbers. ``marks`` are the predictions for which a column of
    :data:`MARKS` is true.
    """

    num_predictions: int
    rejects: dict[str, int]
    reasons: dict[str, int]
    marks: dict[str, int] = dataclasses.field(default_factory=dict)


def hadoop_url(url: str, *, reading: bool = False) -> str:
    """Return a storage URL as Spark's own file systems spell it.

    A bare path is this machine's disk, whatever Spark's default file system is. Spark reads ``*?[]{}`` in a path as
    a pattern, so they are escaped for ``reading``. Raises UsageError for a store that lives in one process only.
    """
    if url.startswith("memory://"):
        raise UsageError(f"{url!r} is memory of this process, wanted a folder that Spark's executors reach too")
    full = f"file://{url}" if storage.local_path(url) == url else url
    return _GLOB.sub(r"\\\1", full) if reading else full


def shape(rows: DataFrame, *, kept: Iterable[KeptColumn], model: dict[str, Any]) -> tuple[DataFrame, DataFrame]:
    """Return the predictions and the rejects among scored rows, as the table has them; nothing is run.

    ``model`` has what stands in every row: ``model_name``, ``model_step``, ``run_id``.
    """
    others = [F.col("`" + column.name.replace("`", "``") + "`") for column in kept]
    name, step, run = (F.lit(model[key]).alias(key) for key in ("model_name", "model_step", "run_id"))
    ident, digest = _required("id", ""), _required("model_digest", "")
    when = F.coalesce(F.col("scored_at"), F.lit(_EPOCH)).alias("scored_at")
    predictions = rows.where("reason IS NULL").select(
        *(ident, "filename", _required("label", ""), _required("label_id", -1), _score(), _top_k()),
        *("damaged", _required("has_more_frames", False)),
        *(*_features(rows), *others, name, step, digest, run, when),
    )
    head = F.substring_index(_required("reason", ""), ":", 1).alias("reason_class")
    rejects = rows.where("reason IS NOT NULL").select(
        *(ident, "filename", head, _required("reason", ""), "bytes", "where", *others, digest, run, when)
    )
    return predictions, rejects


def split_scored(
    spark: SparkSession,
    staging: Staging,
    rows: DataFrame,
    num_rows: int,
    *,
    kept: Iterable[KeptColumn],
    model: dict[str, Any],
) -> tuple[DataFrame, DataFrame]:
    """Write predictions and rejects apart, under ``staging``'s folder :data:`PREDICTIONS`; returns both as written.

    The tasks wrote them as one, ``rows``, in one stage; these hold no pictures and are small. See :func:`shape`. Raises
    DataError for a row that is neither a prediction nor a reject.
    """
    seen = Observation()  # while the predictions are written, which looks at all rows: no job of its own
    rows = rows.observe(seen, F.min(F.when(F.expr(_HALF), F.col("id"))).alias("half"))
    predictions, rejects = shape(rows, kept=list(kept), model=model)
    files = -(-num_rows // _ROWS_A_FILE)
    day = staging.join(PREDICTIONS)
    written = []
    with _times_as_instants(spark):
        for url, part in ((day, predictions), (storage.join(day, REJECTS), rejects)):
            part.coalesce(files).write.parquet(hadoop_url(url))
            written.append(spark.read.schema(part.schema).parquet(hadoop_url(url, reading=True)))
    if (half := seen.get["half"]) is not None:
        raise DataError(f"the row {half!r} came back neither as a prediction nor as a reject; nothing was published")
    return written[0], written[1]


def reconcile(ids: DataFrame, predictions: DataFrame, rejects: DataFrame) -> DayCounts:
    """Compare what was written with the frozen input, as multisets: every id once, as one or the other.

    Raises DataError with an example if an id is missing, unknown or there twice.
    """
    marks = [name for name in MARKS if name in predictions.columns]
    given = ids.select("id", *_ones("wanted", ("predicted", "rejected")), *_no(marks))
    answered = predictions.select("id", *_ones("predicted", ("wanted", "rejected")), *marks)
    refused = rejects.select("id", *_ones("rejected", ("wanted", "predicted")), *_no(marks))
    counts = [F.sum(name).alias(name) for name in ("wanted", "predicted", "rejected")]
    each = given.unionByName(answered).unionByName(refused).groupBy("id")
    each = each.agg(*counts, *(F.count_if(name).alias(name) for name in marks))
    is_wrong = "wanted != 1 OR predicted + rejected != 1"
    wrong = F.first(F.when(F.expr(is_wrong), F.struct("id", "wanted", "predicted", "rejected")), ignorenulls=True)
    all_of = [F.sum(name) for name in ("predicted", "rejected", *marks)]
    # Counted and compared in one pass: each further job costs a small night as much as a hundred pictures.
    (found,) = each.agg(wrong, *all_of).collect()
    if found[0] is not None:
        one = found[0]
        raise DataError(
            f"the output does not fit the input: id {one.id!r} is there {one.predicted + one.rejected} times, it was"
            f" given {one.wanted} times; nothing was published"
        )
    num_predictions, num_rejects, *marked = (count or 0 for count in found[1:])
    heads = sentences = {}
    if num_rejects:
        heads = _counts(rejects.groupBy(F.substring_index("reason", ":", 1)))
        sentences = _counts(rejects.groupBy(F.regexp_replace("reason", _DETAILS, "#")))
    return DayCounts(num_predictions, heads, sentences, dict(zip(marks, marked, strict=True)))


def check_budget(num_rows: int, rejects: dict[str, int], budget: float) -> None:
    """Raise BudgetError if more than the share ``budget`` of the rows was rejected, or all of them.

    A night without a prediction was given something else than pictures, or a store that it may not read: that is no
    success under any budget.
    """
    rejected = sum(rejects.values())
    allows = int(allowed(budget, num_rows))
    if rejected > allows or (num_rows and rejected == num_rows):
        said = f"--bad_image_budget {budget:g} allows {allows}" if rejected > allows else "which no budget allows"
        raise BudgetError(
            f"{rejected} of {num_rows} pictures were rejected, {said}; the most frequent reasons:"
            f" {most_frequent(rejects)}; nothing was published"
        )


def _counts(groups: Any) -> dict[str, int]:
    """Return the sizes of groups, the largest first; so many as a person may want to see."""
    rows = groups.count().orderBy(F.desc("count")).limit(_MOST_SENTENCES).collect()
    return {row[0]: row["count"] for row in rows}


@contextlib.contextmanager
def _times_as_instants(spark: SparkSession) -> Iterator[None]:
    """Let Spark write timestamps as the type that says UTC: INT96, which it may prefer, is a time without a zone."""
    before = spark.conf.get(_TIMES)
    spark.conf.set(_TIMES, "TIMESTAMP_MICROS")
    try:
        yield
    finally:
        spark.conf.set(_TIMES, str(before))


def _required(name: str, default: Any) -> Column:
    """Return a column that can hold no null: Spark writes it as required, and so readers know."""
    return F.coalesce(F.col(name), F.lit(default)).alias(name)


def _features(rows: DataFrame) -> list[Column]:
    """Return the column of features, if the run takes any; an input's own column never has this name here."""
    return (
        [F.coalesce("features", F.array().cast("array<float>")).alias("features")] if "features" in rows.columns else []
    )


def _score() -> Column:
    return F.coalesce(F.col("score"), F.lit(0.0).cast("float")).alias("score")


def _top_k() -> Column:
    return F.coalesce(F.col("top_k"), F.array().cast("array<struct<label: string, score: float>>")).alias("top_k")


def _ones(name: str, others: Iterable[str]) -> list[Column]:
    return [F.lit(1).alias(name), *(F.lit(0).alias(other) for other in others)]


def _no(marks: Iterable[str]) -> list[Column]:
    return [F.lit(False).alias(name) for name in marks]
