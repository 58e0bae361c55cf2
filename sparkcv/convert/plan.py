"""The plan of a conversion: which picture goes where, as a function of names and seed alone.

Pictures are ordered by a seeded hash of their name, and shards are equal pieces of that order. The rank of each is
found without one global sort: the hash's first bits are buckets, whose counts (a few thousand numbers, whatever the
number of pictures) say where each begins, and within a bucket Spark sorts. Neither the number of executors nor that
of partitions has a part in it.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from sparkcv import logs, storage
from sparkcv.convert.shard_writer import ShardRow, ShardSummary, ShardTarget, write_shard
from sparkcv.preprocess.picture_file import PictureRules
from sparkcv.records.shards import shard_name

_log = logs.get(__name__)

_BUCKET_BITS = 12
_HASH_BITS = 63


@dataclass(frozen=True)
class Split:
    """One split to write: its name, its shards, and the pictures planned for it."""

    name: str
    num_shards: int
    num_pictures: int

    @classmethod
    def of(cls, name: str, num_shards: int, num_pictures: int) -> "Split":
        """Return a split of so many shards, or of fewer where it has fewer pictures, which is said."""
        if num_pictures < num_shards:
            _log.warning("the split %s has %d pictures, so %d shards", name, num_pictures, num_pictures)
        return cls(name, min(num_shards, num_pictures), num_pictures)


@dataclass(frozen=True)
class ConversionPlan:
    """What every task of the writing stage needs to know; partition ``i`` of that stage writes shard ``i``."""

    name: str
    staging: str
    root: str
    labels: tuple[str, ...]
    splits: tuple[Split, ...]
    rules: PictureRules
    is_gnt: bool = False

    def partition(self, key: tuple[int, int]) -> int:
        """Return the shard, counted over all splits, of the picture of this split and rank."""
        index, rank = key
        split = self.splits[index]
        before = sum(earlier.num_shards for earlier in self.splits[:index])
        return before + rank * split.num_shards // split.num_pictures

    def shards(self) -> list[tuple[str, str]]:
        """Return split and file name of every shard, in order of the partitions."""
        return [
            (split.name, shard_name(self.name, split.name, index, split.num_shards))
            for split in self.splits
            for index in range(split.num_shards)
        ]

    def target(self, index: int) -> ShardTarget:
        """Return what partition ``index`` writes."""
        url = storage.join(self.staging, self.shards()[index][1])
        return ShardTarget(url, f"{url}.jsonl", self.root, self.labels, self.rules, self.is_gnt)


def draw_splits(pictures: DataFrame, validation_fraction: float | None) -> DataFrame:
    """Add the column ``split``: 1 for the share of every class that its names draw for validation, else 0.

    A class of two pictures or more is in both splits.
    """
    if validation_fraction is None:
        return pictures.withColumn("split", F.lit(0))
    by_class = Window.partitionBy("label")
    count = F.count(F.lit(1)).over(by_class)
    wanted = F.least(F.greatest(F.round(count * validation_fraction), F.lit(1)), count - 1)
    drawn = F.row_number().over(by_class.orderBy("draw", "name")) <= wanted
    return pictures.withColumn("split", F.when(F.col("label").isNotNull() & drawn, 1).otherwise(0))


def rank(spark: SparkSession, pictures: DataFrame) -> tuple[DataFrame, dict[int, int]]:
    """Add the column ``rank``, from 0 within each split; also returns the number of pictures of each split."""
    pictures = pictures.withColumn("bucket", F.shiftright("position", _HASH_BITS - _BUCKET_BITS).cast("int"))
    counted = pictures.groupBy("split", "bucket").count().collect()
    totals: dict[int, int] = {}
    starts = []
    for split, bucket, count in sorted(tuple(row) for row in counted):
        starts.append((split, bucket, totals.get(split, 0)))
        totals[split] = totals.get(split, 0) + count
    begins = spark.createDataFrame(starts, "split int, bucket int, start long")
    within = F.row_number().over(Window.partitionBy("split", "bucket").orderBy("position", "name"))
    ranked = pictures.join(F.broadcast(begins), ["split", "bucket"])
    return ranked.withColumn("rank", F.col("start") + within - 1), totals


def write_planned(ranked: DataFrame, plan: ConversionPlan, enter: Callable[[], None]) -> dict[str, list[ShardSummary]]:
    """Write every shard, one Spark task each; returns each split's summaries in order of its shards."""
    index = {label: position for position, label in enumerate(plan.labels)}

    def keyed(row: Any) -> tuple[tuple[int, int], ShardRow]:
        name = bytes(row["name"])
        label = index.get(row["label"], -1)
        return (row["split"], row["rank"]), ShardRow(name, label, row["line"], row["size"], row["fault"])

    def write(partition: int, pairs: Iterable[tuple[tuple[int, int], ShardRow]]) -> Iterator[ShardSummary]:
        enter()
        yield write_shard((row for _, row in pairs), plan.target(partition))

    shards = plan.shards()
    columns = ranked.select("split", "rank", "name", "label", "line", "size", "fault")
    ordered = columns.rdd.map(keyed).repartitionAndSortWithinPartitions(len(shards), plan.partition)
    summaries = ordered.mapPartitionsWithIndex(write).collect()
    written: dict[str, list[ShardSummary]] = {split.name: [] for split in plan.splits}
    for (split, _), summary in zip(shards, summaries, strict=True):
        written[split].append(summary)
    return written
