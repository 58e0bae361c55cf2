"""The rows of a DataFrame as numbers: hashed where Spark reads them, counted by class, drawn into splits and shards.

No picture leaves the executors: what comes to the driver is a line a class, and a line for each of 4,096 buckets
of keys. Everything follows from the rows and the seed, and nothing from partitions or their order.
"""

import dataclasses
from collections.abc import Sequence

from pyspark.errors import AnalysisException
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql.types import BinaryType, CharType, IntegralType, StringType, VarcharType

from sparkcv.convert.plan import Split
from sparkcv.errors import DataError
from sparkcv.spark.errors import quiet

__all__ = ["PictureColumns", "RowCounts", "check_column", "choose", "count", "drawn", "hashed", "limits", "place"]

_BUCKET_BITS = 12
_MOST_CLASSES = 100_000
_LISTED = 20


@dataclasses.dataclass(frozen=True)
class PictureColumns:
    """Which columns hold what; ``image.bytes`` is a field of a column.

    Attributes:
        image: a picture's file, as bytes.
        label: its class, a name or a whole number.
        name: what the picture is called in lists of rejects and ``image/filename``; None: a digest of the row.
    """

    image: str = "image"
    label: str = "label"
    name: str | None = None


@dataclasses.dataclass(frozen=True)
class RowCounts:
    """All rows: how many each label has (None: no label), the bytes of the pictures, two sums of the rows' hashes."""

    by_label: dict[str | None, int]
    num_bytes: int
    sums: tuple[int, int]

    @property
    def total(self) -> int:
        """The number of rows."""
        return sum(self.by_label.values())


def choose(df: DataFrame, columns: PictureColumns, where: str) -> tuple[DataFrame, bool]:
    """Return the columns ``image``, ``label`` (as text) and ``name`` of ``df``, and whether labels are whole numbers.

    Raises DataError for a column that is not there, or of another type.
    """
    named = {"image": columns.image, "label": columns.label, **({"name": columns.name} if columns.name else {})}
    for column in named.values():
        check_column(df, column, where)
    types = {name: df.select(F.col(column)).schema[0].dataType for name, column in named.items()}
    if not isinstance(types["image"], BinaryType):
        raise DataError(
            f"{where}: the column {columns.image!r} is {types['image'].simpleString()}, wanted binary: the bytes of a"
            " picture's file"
        )
    is_number = isinstance(types["label"], IntegralType)
    if not is_number and not isinstance(types["label"], StringType | VarcharType | CharType):
        raise DataError(
            f"{where}: the column {columns.label!r} is {types['label'].simpleString()}, wanted a string or a whole"
            " number"
        )
    name = F.col(columns.name).cast("string") if columns.name else F.lit(None).cast("string")
    label = F.col(columns.label).cast("string")
    return df.select(F.col(columns.image).alias("image"), label.alias("label"), name.alias("name")), is_number


def check_column(df: DataFrame, column: str, where: str) -> None:
    """Raise DataError, which begins with ``where``, unless Spark takes ``column`` for one of ``df``."""
    try:
        with quiet():
            df.select(F.col(column))
    except AnalysisException as err:
        raise DataError(f"{where} {_no_column(df.columns, column)}") from err


def _no_column(columns: Sequence[str], wanted: str) -> str:
    """Say why ``wanted`` is not the name of one of ``columns``; Spark takes a dot in it for a field of a column."""
    if (times := sum(name.lower() == wanted.lower() for name in columns)) > 1:
        return f"has the column {wanted!r} {times} times, wanted it once"
    more = ", ..." if len(columns) > _LISTED else ""
    quoted = f"; write its name as `{wanted}`, as it has a dot" if wanted in columns else ""
    return f"has no column {wanted!r}, it has {', '.join(columns[:_LISTED])}{more}{quoted}"


def hashed(rows: DataFrame, seed: int) -> DataFrame:
    """Add two hashes of each row, ``first`` and ``second``, ``bucket`` and ``key``, which order, and ``draw``."""
    for salt in ("first", "second"):
        rows = rows.withColumn(salt, F.xxhash64(F.lit(salt), "image", "label", "name"))
    for salt in ("key", "draw"):
        rows = rows.withColumn(salt, F.xxhash64(F.lit(salt), F.lit(seed), "first"))
    return rows.withColumn("bucket", F.shiftrightunsigned("key", 64 - _BUCKET_BITS).cast("int"))


def count(rows: DataFrame, where: str) -> RowCounts:
    """Count hashed rows of ``label``, ``size``, ``first`` and ``second``; raises DataError if there are none."""
    sums = [F.sum(F.col(name).cast("decimal(20,0)")).alias(name) for name in ("first", "second", "size")]
    found = rows.groupBy("label").agg(F.count(F.lit(1)).alias("rows"), *sums).limit(_MOST_CLASSES + 1).collect()
    if len(found) > _MOST_CLASSES:
        raise DataError(f"{where} has more than {_MOST_CLASSES} different labels, wanted classes")
    if not found:
        raise DataError(f"{where} has no rows, wanted pictures")
    first, second, num_bytes = (sum(int(row[name] or 0) for row in found) for name in ("first", "second", "size"))
    return RowCounts({row["label"]: row["rows"] for row in found}, num_bytes, (first % 2**64, second % 2**64))


def limits(rows: DataFrame, validation_fraction: float | None) -> DataFrame | None:
    """Return the ``draw`` up to which a row of a label is for validation: equal rows are always on the same side."""
    if validation_fraction is None:
        return None
    by_class = Window.partitionBy("label")
    num = F.count(F.lit(1)).over(by_class)
    wanted = F.least(F.greatest(F.round(num * validation_fraction), F.lit(1)), num - 1)
    at = F.row_number().over(by_class.orderBy("draw"))
    of_class = rows.where("label is not null").select("label", "draw", wanted.alias("wanted"), at.alias("at"))
    found = of_class.where("at = wanted").select("label", F.col("draw").alias("limit")).collect()
    return F.broadcast(rows.sparkSession.createDataFrame(found, "label string, limit long"))


def drawn(rows: DataFrame, limit: DataFrame | None) -> DataFrame:
    """Add ``split``: 1 for validation, else 0."""
    if limit is None:
        return rows.withColumn("split", F.lit(0))
    is_validation: Column = F.col("draw") <= F.col("limit")
    return rows.join(limit, "label", "left").withColumn("split", F.when(is_validation, 1).otherwise(0)).drop("limit")


def place(rows: DataFrame, names: Sequence[str], num_shards: int, where: str) -> tuple[list[Split], DataFrame]:
    """Return the splits, and to which shard, counted over all splits, each ``split`` and ``bucket`` belongs.

    A shard is a run of buckets with about its share of the rows, never without any. Raises DataError for a split
    without rows.
    """
    counted = rows.groupBy("split", "bucket").count().collect()
    splits: list[Split] = []
    places: list[tuple[int, int, int]] = []
    for index, name in enumerate(names):
        buckets = sorted((row["bucket"], row["count"]) for row in counted if row["split"] == index)
        total = sum(num for _, num in buckets)
        if not total:
            raise DataError(f"{where} has too few pictures for a split {name!r}, wanted two of a class")
        first = sum(split.num_shards for split in splits)
        used: dict[int, int] = {}
        before = 0
        for bucket, num in buckets:
            places.append((index, bucket, first + used.setdefault(before * num_shards // total, len(used))))
            before += num
        splits.append(Split(name, len(used), total))
    found = rows.sparkSession.createDataFrame(places, "split int, bucket int, shard int")
    return splits, F.broadcast(found)
