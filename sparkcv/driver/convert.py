"""A conversion from its checks to its report.

Spark lists (one task a class folder), plans, and writes (one task a shard: bytes stored as they are, sizes read from
headers). The driver checks before and after, and publishes; it holds no row of any picture.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass

from pyspark.sql import DataFrame, SparkSession

from sparkcv import logs, storage
from sparkcv.config import ConvertConfig
from sparkcv.config.pictures import parse_background, parse_formats
from sparkcv.config.port_range import PortRange
from sparkcv.config.tables import check_table
from sparkcv.convert import gnt_source, publication, splits
from sparkcv.convert.listing import PictureSource, check_classes, find_source, listed
from sparkcv.convert.plan import ConversionPlan, Split, draw_splits, rank, write_planned
from sparkcv.convert.report import ConvertReport
from sparkcv.convert.table import PictureColumns, TableConversion, from_dataframe
from sparkcv.driver.stage_session import stage_size
from sparkcv.driver.tables import named, open_table
from sparkcv.errors import DataError
from sparkcv.preprocess.picture_file import PictureRules
from sparkcv.spark.errors import translated
from sparkcv.spark.job_group import job_group
from sparkcv.spark.session import SessionSpec
from sparkcv.tokens.server import enter
from sparkcv.tokens.stage import let_in

__all__ = ["ConvertPlan", "prepare", "run", "run_with"]

_log = logs.get(__name__)


@dataclass(frozen=True)
class ConvertPlan:
    """A conversion that can start: its flags, where it writes which splits, and what it reads; None is a table."""

    config: ConvertConfig
    dataset_dir: str
    splits: tuple[str, ...]
    source: PictureSource | None

    @property
    def where(self) -> str:
        """What the user named as the source."""
        return self.source.where if self.source else named(self.config.dataset_table, self.config.dataset_query)

    def session(self) -> SessionSpec:
        """Return what the conversion needs of Spark."""
        return SessionSpec(
            "sparkcv convert",
            *stage_size(self.config.cluster_size),
            ports=PortRange.parse(self.config.port_range),
        )


def prepare(config: ConvertConfig) -> ConvertPlan:
    """Check all that can be checked before Spark starts; writes nothing.

    Raises:
        UsageError: the dataset would lie inside of the pictures' folder.
        FileExistsAlreadyError: a split of this name is there, and ``overwrite`` is not set.
        MissingFileError: the source is not there.
        DataError: it holds no class folders, or no GNT files.
        LabelError: its classes differ from those of the splits that are there.
    """
    dataset_dir = storage.resolve(str(config.dataset_dir))
    splits = (config.dataset_split_name,) if config.validation_fraction is None else ("train", "validation")
    if check_table(config):  # a split of the same rows may be there
        publication.check_free(dataset_dir, config.dataset_name, splits, overwrite=True)
        return ConvertPlan(config, dataset_dir, splits, None)
    publication.check_free(dataset_dir, config.dataset_name, splits, config.overwrite)
    source = find_source(config, dataset_dir)
    if source.classes:
        publication.check_labels(dataset_dir, source.classes, splits)
    return ConvertPlan(config, dataset_dir, splits, source)


def run(spark: SparkSession, plan: ConvertPlan) -> ConvertReport:
    """Convert a folder, a CSV, GNT files or a table into the shards of one split, or of train and validation.

    What is written depends on the pictures' names and bytes, the seed and the number of shards, on nothing else.

    Raises:
        DataError: no pictures, an empty class, one class only, or a CSV that is wrong.
        LabelError: classes that differ from those of the splits that are there.
        BudgetError: too many unusable pictures.
        PreemptedError: HDFS lets the driver in no longer. In each case the dataset's folder is as it was.
    """
    with (
        job_group(spark, f"convert {plan.where}"),
        let_in(spark, plan.config.port_range, "nothing was published, the same command converts anew") as place,
    ):
        return run_with(spark, plan, functools.partial(enter, place))


def run_with(spark: SparkSession, job: ConvertPlan, enter: Callable[[], None]) -> ConvertReport:
    """Do what :func:`run` does; ``enter`` is called in each task before anything is read or written."""
    config, source = job.config, job.source
    if source is None:
        return _from_table(spark, job, enter)
    staging = publication.staging_dir(job.dataset_dir, config.dataset_name, job.splits)
    with translated("the conversion's Spark job"), listed(spark, source, config.seed, enter) as pictures:
        known = publication.known_labels(job.dataset_dir, job.splits)
        labels = check_classes(pictures, source, known)
        labels = publication.check_labels(job.dataset_dir, labels, job.splits)
        with splits.staged(job.dataset_dir, staging):
            plan, ranked = _plan(spark, job, source, pictures, labels, staging)
            summaries = write_planned(ranked, plan, enter)
            written = splits.Written(job.dataset_dir, source.where, config.seed, plan, summaries)
            report = splits.report_of(written)
            splits.check_budget(report, config.bad_image_budget)
            splits.check_written(written, report, known)
            splits.publish_written(written, report)
    return report


def _plan(
    spark: SparkSession,
    job: ConvertPlan,
    source: PictureSource,
    pictures: DataFrame,
    labels: tuple[str, ...],
    staging: str,
) -> tuple[ConversionPlan, DataFrame]:
    ranked, totals = rank(spark, draw_splits(pictures, job.config.validation_fraction))
    planned = []
    for index, name in enumerate(job.splits):
        total = totals.get(index, 0)
        if not total:
            raise DataError(f"{source.where!r} has too few pictures for a split {name!r}, wanted two of a class")
        planned.append(Split.of(name, job.config.num_shards, total))
        _log.info("%s: %d pictures of %d classes into %d shards", name, total, len(labels), planned[-1].num_shards)
    return ConversionPlan(
        job.config.dataset_name,
        staging,
        source.root,
        labels,
        tuple(planned),
        _rules(job.config),
        is_gnt=bool(source.gnt_files),
    ), ranked


def _from_table(spark: SparkSession, job: ConvertPlan, enter: Callable[[], None]) -> ConvertReport:
    config = job.config
    settings = TableConversion(
        job.dataset_dir,
        config.dataset_name,
        config.dataset_split_name,
        config.validation_fraction,
        config.num_shards,
        config.seed,
        PictureColumns(config.image_column, config.label_column, config.name_column),
        _rules(config),
        config.bad_image_budget,
        may_replace=config.overwrite,
    )
    frame = open_table(spark, config.dataset_table, config.dataset_query)
    return from_dataframe(frame, settings, where=named(config.dataset_table, config.dataset_query), enter=enter)


def _rules(config: ConvertConfig) -> PictureRules:
    if config.gnt_dir is not None:
        return PictureRules(config.max_pixels, (gnt_source.FORMAT,), use_orientation=False)
    return PictureRules(
        config.max_pixels,
        parse_formats(config.formats),
        parse_background(config.background),
        use_orientation=config.exif_orientation,
        short_side=config.resize_short_side,
        jpeg_quality=config.resize_quality,
    )
