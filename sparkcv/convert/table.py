"""A Spark DataFrame of pictures and labels as shards, written once by the executors and used again while it is equal.

Rows are hashed where Spark reads them; then each is sent once, from executor to executor, to the task that writes its
shard, in an order that follows from rows and seed alone: a table that is sorted by class trains as well as any other.
No picture comes to the driver, and none passes through Spark again in training.
"""

import collections
import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from sparkcv import logs, storage
from sparkcv.convert import publication, splits, table_rows
from sparkcv.convert.plan import ConversionPlan
from sparkcv.convert.report import ConvertReport, SplitReport
from sparkcv.convert.shard_writer import ShardSummary
from sparkcv.convert.sources import check_label
from sparkcv.convert.table_rows import PictureColumns, RowCounts
from sparkcv.convert.table_writer import COLUMNS, TOLD, ShardWriter, parse_told
from sparkcv.errors import DataError, FileExistsAlreadyError, ShardError
from sparkcv.preprocess.picture_file import PictureRules
from sparkcv.records.manifest import SplitEntry, read_manifest
from sparkcv.records.shards import open_dataset
from sparkcv.spark.errors import translated

__all__ = ["PictureColumns", "TableConversion", "from_dataframe"]

_ROWS = "rows"  # what the manifest calls the digest of the rows and settings that a split was made of
_SHARD_BYTES = 64 << 20
_LEAST_SHARDS, _MOST_SHARDS = 8, 1024
_LISTED = 8
_log = logs.get(__name__)


@dataclasses.dataclass(frozen=True)
class TableConversion:
    """Where a DataFrame's pictures go, and how.

    Attributes:
        dataset_dir: folder for the shards, any storage URL.
        dataset_name: name in the shards' file names.
        split: the split's name; with ``validation_fraction`` there are ``train`` and ``validation`` instead.
        validation_fraction: share of every class that becomes the split ``validation``.
        num_shards: a split; None: of 64 MB each, at least 8.
        seed: of the order of the records, and of the draw of the validation split.
        columns: which columns hold picture, label and name.
        rules: how pictures' files are read.
        bad_image_budget: share of unusable pictures that fails the conversion.
        budget_flag: what messages call the budget.
        may_replace: whether a split that was made of other rows is written anew; else it is refused.
    """

    dataset_dir: str
    dataset_name: str = "pictures"
    split: str = "train"
    validation_fraction: float | None = None
    num_shards: int | None = None
    seed: int = 0
    columns: PictureColumns = dataclasses.field(default_factory=PictureColumns)
    rules: PictureRules = dataclasses.field(default_factory=PictureRules)
    bad_image_budget: float = 1.0
    budget_flag: str = "--bad_image_budget"
    may_replace: bool = True

    @property
    def splits(self) -> tuple[str, ...]:
        """The names of the splits that are written."""
        return (self.split,) if self.validation_fraction is None else ("train", "validation")


def from_dataframe(
    df: DataFrame,
    settings: TableConversion,
    *,
    where: str = "the DataFrame",
    enter: Callable[[], None] = lambda: None,
) -> ConvertReport:
    """Write a DataFrame's pictures as shards with labels.txt and manifest.json, unless those of equal rows are there.

    ``where`` is what messages call it; ``enter`` is called in each task before anything is written.

    Raises:
        DataError: a column that is missing or of another type, no rows, one class only, a class without a picture.
        LabelError: classes that differ from those of the splits that stay.
        BudgetError: too many unusable pictures.
        FileExistsAlreadyError: a split of other rows is there, and ``may_replace`` is not set.
        ShardError: the rows were others when they were read again. In each case the folder is as it was.
    """
    settings = dataclasses.replace(settings, dataset_dir=storage.resolve(settings.dataset_dir))
    publication.check_free(settings.dataset_dir, settings.dataset_name, settings.splits, overwrite=True)
    with translated(f"the conversion of {where}"):
        chosen, is_number = table_rows.choose(df, settings.columns, where)
        rows = table_rows.hashed(chosen, settings.seed)
        light = rows.withColumn("size", F.length("image")).drop("image", "name").persist()
        try:
            counts = table_rows.count(light, where)
            source = {_ROWS: _digest(settings, counts, is_number), "source": where}
            there = _there(settings, counts, source)
            if there is not None:
                splits.check_budget(there, settings.bad_image_budget, settings.budget_flag)
                return there
            labels = _labels(settings, counts, is_number, where)
            return _write(settings, rows, light, counts, labels, source, enter)
        finally:
            light.unpersist()


def _digest(settings: TableConversion, counts: RowCounts, is_number: bool) -> str:
    """Return a digest of all that decides on the shards' bytes."""
    told = [counts.total, counts.sums, is_number, settings.seed, settings.validation_fraction, settings.splits]
    told += [_num_shards(settings, counts), settings.columns.name is not None, dataclasses.asdict(settings.rules)]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def _num_shards(settings: TableConversion, counts: RowCounts) -> int:
    return settings.num_shards or max(_LEAST_SHARDS, min(_MOST_SHARDS, -(-counts.num_bytes // _SHARD_BYTES)))


def _there(settings: TableConversion, counts: RowCounts, source: Mapping[str, str]) -> ConvertReport | None:
    """Return the report of splits that are there, whole, and of these rows and settings; else say what will be done."""
    where, folder = logs.clean(source["source"]), settings.dataset_dir
    manifest = read_manifest(folder) if storage.exists(folder) else None
    found = {name: manifest.splits[name] for name in settings.splits if name in manifest.splits} if manifest else {}
    if not manifest or not found:
        if not settings.may_replace:
            publication.check_free(folder, settings.dataset_name, settings.splits, overwrite=False)
        _log.info("%s: writing %d rows, %d bytes of pictures, once as shards", where, counts.total, counts.num_bytes)
        return None
    is_same = len(found) == len(settings.splits) and all(
        split.pictures.get(_ROWS) == source[_ROWS] for split in found.values()
    )
    if is_same:
        try:
            for name in found:
                open_dataset(folder, settings.dataset_name, name)
        except ShardError as err:
            _log.warning("%s has not changed, but its shards are not whole and are written anew: %s", where, err)
            return None
        _log.info("%s has not changed: its shards in %s are used again", where, logs.clean(folder))
        return ConvertReport(
            folder,
            settings.dataset_name,
            manifest.labels,
            tuple(_told_of(settings, name, split) for name, split in found.items()),
        )
    if not settings.may_replace:
        raise FileExistsAlreadyError(
            f"{folder!r} has a split {next(iter(found))!r} of {settings.dataset_name!r} of other rows or settings than"
            f" {source['source']}, wanted another split or --overwrite"
        )
    before = sum(shard.records for split in found.values() for shard in split.shards)
    _log.warning(
        "%s, or how it is written, has changed: the shards of %d records in %s are written anew from %d rows",
        where, before, logs.clean(folder), counts.total,
    )  # fmt: skip
    return None


def _told_of(settings: TableConversion, name: str, split: SplitEntry) -> SplitReport:
    """Return the report of a split that is there, its rejects as they were listed."""
    url = publication.quarantine_url(settings.dataset_dir, settings.dataset_name, name)
    lines = storage.read_text(url).splitlines() if storage.exists(url) else []
    reasons = collections.Counter(json.loads(line)["reason"].partition(":")[0] for line in lines)
    records, num_bytes = (sum(getattr(shard, what) for shard in split.shards) for what in ("records", "bytes"))
    return SplitReport(
        *(name, records, len(split.shards), num_bytes, len(lines)),
        dict(sorted(reasons.items())),
        url if lines else None,
    )


def _labels(settings: TableConversion, counts: RowCounts, is_number: bool, where: str) -> tuple[str, ...]:
    """Return the classes in the order of their numbers, and say them: names by alphabet, whole numbers by size."""
    texts = [text for text in counts.by_label if text is not None]
    column = f"the column {settings.columns.label!r} of {where}"
    if not texts:
        raise DataError(f"{column} is null in all {counts.total} rows, wanted labels")
    if is_number:
        numbers = sorted(map(int, texts))
        if numbers[0] < 0:
            raise DataError(f"{column} holds {numbers[0]}, wanted labels from 0 on")
        labels = tuple(map(str, numbers))
        if numbers[-1] >= len(numbers):
            told = column, len(numbers), numbers[0], numbers[-1], len(numbers) - 1
            _log.warning("%s holds %d numbers from %d to %d: they become the classes 0 to %d, named by them", *told)
    else:
        labels = tuple(sorted(check_label(text, column) for text in texts))
    known = publication.known_labels(settings.dataset_dir, settings.splits)
    if len(labels) == 1 and labels[0] not in known:
        raise DataError(f"{where} has the one class {labels[0]!r}, wanted at least two to tell apart")
    more = ", ..." if len(labels) > _LISTED else ""
    _log.info("%s: %d classes: %s%s", where, len(labels), logs.clean(", ".join(labels[:_LISTED])), more)
    return publication.check_labels(settings.dataset_dir, labels, settings.splits)


def _write(
    settings: TableConversion,
    rows: DataFrame,
    light: DataFrame,
    counts: RowCounts,
    labels: tuple[str, ...],
    source: Mapping[str, str],
    enter: Callable[[], None],
) -> ConvertReport:
    where, folder, name = source["source"], settings.dataset_dir, settings.dataset_name
    staging = publication.staging_dir(folder, name, settings.splits)
    limit = table_rows.limits(light, settings.validation_fraction)
    planned, places = table_rows.place(
        table_rows.drawn(light, limit), settings.splits, _num_shards(settings, counts), where
    )
    plan = ConversionPlan(name, staging, "", labels, tuple(planned), settings.rules)
    shards = plan.shards()
    placed = table_rows.drawn(rows, limit).join(places, ["split", "bucket"])
    ordered = placed.repartitionById(len(shards), F.col("shard")).sortWithinPartitions("shard", "key").select(*COLUMNS)
    with splits.staged(folder, staging):
        found = ordered.mapInArrow(ShardWriter(plan, settings.columns, enter), TOLD).collect()
        told = {one.shard: one for one in (parse_told(row["told"]) for row in found)}
        if len(told) != len(shards) or sum(one.hashes for one in told.values()) % 2**64 != counts.sums[0]:
            raise ShardError(
                f"{where} gave other rows when it was read again than when they were counted; wanted the same each"
                " time: write it as a table first"
            )
        summaries: dict[str, list[ShardSummary]] = {split.name: [] for split in planned}
        for index, (split, _) in enumerate(shards):
            summaries[split].append(told[index].summary)
        written = splits.Written(folder, where, settings.seed, plan, summaries, source)
        report = splits.report_of(written)
        known = publication.known_labels(folder, settings.splits)
        splits.check_budget(report, settings.bad_image_budget, settings.budget_flag)
        splits.check_written(written, report, known)
        splits.publish_written(written, report)
    return report
