"""A conversion from its checks to its report.

Spark lists (one task a class folder), plans, and writes (one task a shard: bytes stored as they are, sizes read from
headers). The driver checks before and after, and publishes; it holds no row of any picture.
"""

import contextlib
import functools
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from pyspark.sql import DataFrame, SparkSession

from sparkcv import logs, storage
from sparkcv.config import ConvertConfig
from sparkcv.config.pictures import parse_background, parse_formats
from sparkcv.config.port_range import PortRange
from sparkcv.convert import gnt_source, publication
from sparkcv.convert.listing import PictureSource, check_classes, find_source, listed
from sparkcv.convert.plan import ConversionPlan, Split, draw_splits, rank, write_planned
from sparkcv.convert.report import ConvertReport, SplitReport
from sparkcv.convert.shard_writer import ShardSummary
from sparkcv.errors import BudgetError, DataError, ShardError, SparkcvError
from sparkcv.preprocess.picture_file import PictureRules
from sparkcv.records.manifest import SplitEntry
from sparkcv.records.shards import open_dataset
from sparkcv.spark.errors import translated
from sparkcv.spark.job_group import job_group
from sparkcv.spark.session import SessionSpec
from sparkcv.tokens.server import enter
from sparkcv.tokens.stage import let_in

__all__ = ["ConvertPlan", "prepare", "run", "run_with"]

_EXECUTORS = 2

_log = logs.get(__name__)


@dataclass(frozen=True)
class ConvertPlan:
    """A conversion that can start: its flags, where it writes which splits, and what it reads."""

    config: ConvertConfig
    dataset_dir: str
    splits: tuple[str, ...]
    source: PictureSource

    def session(self) -> SessionSpec:
        """Return what the conversion needs of Spark."""
        return SessionSpec(
            "sparkcv convert",
            num_executors=self.config.cluster_size or _EXECUTORS,
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
    publication.check_free(dataset_dir, config.dataset_name, splits, config.overwrite)
    source = find_source(config, dataset_dir)
    if source.classes:
        publication.check_labels(dataset_dir, source.classes, splits)
    return ConvertPlan(config, dataset_dir, splits, source)


def run(spark: SparkSession, plan: ConvertPlan) -> ConvertReport:
    """Convert the pictures of a folder, a CSV or GNT files into the shards of one split, or of train and validation.

    What is written depends on the pictures' names and bytes, the seed and the number of shards, on nothing else.

    Raises:
        DataError: no pictures, an empty class, one class only, or a CSV that is wrong.
        LabelError: classes that differ from those of the splits that are there.
        BudgetError: too many unusable pictures.
        PreemptedError: HDFS lets the driver in no longer. In each case the dataset's folder is as it was.
    """
    with (
        job_group(spark, f"convert {plan.source.where}"),
        let_in(spark, plan.config.port_range, "nothing was published, the same command converts anew") as place,
    ):
        return run_with(spark, plan, functools.partial(enter, place))


def run_with(spark: SparkSession, job: ConvertPlan, enter: Callable[[], None]) -> ConvertReport:
    """Do what :func:`run` does; ``enter`` is called in each task before anything is read or written."""
    config = job.config
    staging = publication.staging_dir(job.dataset_dir, config.dataset_name, job.splits)
    with translated("the conversion's Spark job"), listed(spark, job.source, config.seed, enter) as pictures:
        known = publication.known_labels(job.dataset_dir, job.splits)
        labels = check_classes(pictures, job.source, known)
        labels = publication.check_labels(job.dataset_dir, labels, job.splits)
        with _staging(job.dataset_dir, staging):
            plan, ranked = _plan(spark, job, pictures, labels, staging)
            written = write_planned(ranked, plan, enter)
            report = _report(job, plan, written)
            _check_written(job, plan, written, report, known)
            _publish(job, plan, written, report)
    return report


def _plan(
    spark: SparkSession, job: ConvertPlan, pictures: DataFrame, labels: tuple[str, ...], staging: str
) -> tuple[ConversionPlan, DataFrame]:
    ranked, totals = rank(spark, draw_splits(pictures, job.config.validation_fraction))
    splits = []
    for index, name in enumerate(job.splits):
        total = totals.get(index, 0)
        if not total:
            raise DataError(f"{job.source.where!r} has too few pictures for a split {name!r}, wanted two of a class")
        if total < job.config.num_shards:
            _log.warning("the split %s has %d pictures, so %d shards", name, total, total)
        splits.append(Split(name, min(job.config.num_shards, total), total))
        _log.info("%s: %d pictures of %d classes into %d shards", name, total, len(labels), splits[-1].num_shards)
    return ConversionPlan(
        job.config.dataset_name,
        staging,
        job.source.root,
        labels,
        tuple(splits),
        _rules(job.config),
        is_gnt=bool(job.source.gnt_files),
    ), ranked


def _rules(config: ConvertConfig) -> PictureRules:
    if config.gnt_dir is not None:
        return PictureRules(config.max_pixels, (gnt_source.FORMAT,), use_orientation=False)
    return PictureRules(
        config.max_pixels,
        parse_formats(config.formats),
        parse_background(config.background),
        use_orientation=config.exif_orientation,
    )


@contextlib.contextmanager
def _staging(dataset_dir: str, staging: str) -> Iterator[None]:
    """Keep a hidden folder in the dataset's while the block runs; a failure leaves nothing that was not there."""
    fresh = not storage.exists(dataset_dir)
    storage.check_writable(dataset_dir)
    storage.delete(staging, recursive=True)  # of a run that was killed
    try:
        yield
    except BaseException:
        with contextlib.suppress(SparkcvError):  # the first error is the one to tell
            storage.delete(staging, recursive=True)
            if fresh and not storage.list_dir(dataset_dir):
                storage.delete(dataset_dir)
        raise
    storage.delete(staging, recursive=True)


def _check_written(
    job: ConvertPlan,
    plan: ConversionPlan,
    written: dict[str, list[ShardSummary]],
    report: ConvertReport,
    known: Collection[str],
) -> None:
    """Refuse what must not be published; ``known`` are the classes of the splits that stay."""
    summaries = [summary for split in written.values() for summary in split]
    staged = {entry.name: entry.size for entry in storage.list_dir(plan.staging)}
    for entry in (summary.entry for summary in summaries):
        if staged.get(entry.name) != entry.bytes:
            raise ShardError(f"{entry.name!r} has {staged.get(entry.name)} bytes after writing {entry.bytes}")
    total, budget = sum(split.num_pictures for split in plan.splits), job.config.bad_image_budget
    if report.num_rejected > budget * total:
        reasons = ", ".join(f"{reason} {count}" for reason, count in report.reasons.items())
        raise BudgetError(
            f"{report.num_rejected} of {total} pictures are unusable ({reasons}), "
            f"--bad_image_budget allows a share of {budget}"
        )
    first = plan.splits[0].name
    if not report.num_records:
        raise DataError(f"{job.source.where!r} has no usable picture for the split {first!r}")
    seen = {label for summary in written[first] for label in summary.entry.labels}
    void = [label for index, label in enumerate(plan.labels) if str(index) not in seen]
    if void and not known:
        raise DataError(f"the class {void[0]!r} of {job.source.where!r} has no usable picture for the split {first!r}")


def _publish(
    job: ConvertPlan, plan: ConversionPlan, written: dict[str, list[ShardSummary]], report: ConvertReport
) -> None:
    entries = {}
    for split in report.splits:
        summaries = written[split.split]
        entries[split.split] = SplitEntry(
            job.config.seed, tuple(summary.entry for summary in summaries), plan.rules.describe()
        )
        url = publication.quarantine_url(job.dataset_dir, plan.name, split.split)
        storage.delete(url)
        if split.num_rejected:
            with storage.open_write(url) as sink:
                for summary in summaries:
                    sink.write(storage.read_bytes(f"{storage.join(plan.staging, summary.entry.name)}.jsonl"))
    publication.publish(job.dataset_dir, plan.name, plan.labels, entries, plan.staging)
    for name in entries:
        open_dataset(job.dataset_dir, plan.name, name)  # as a reader would find it


def _report(job: ConvertPlan, plan: ConversionPlan, written: dict[str, list[ShardSummary]]) -> ConvertReport:
    splits = []
    for name, summaries in written.items():
        reasons: dict[str, int] = {}
        for summary in summaries:
            for reason, count in summary.reasons.items():
                reasons[reason] = reasons.get(reason, 0) + count
        splits.append(
            SplitReport(
                split=name,
                num_records=sum(summary.entry.records for summary in summaries),
                num_shards=len(summaries),
                num_bytes=sum(summary.entry.bytes for summary in summaries),
                num_rejected=sum(reasons.values()),
                reasons=dict(sorted(reasons.items())),
                quarantine=publication.quarantine_url(job.dataset_dir, plan.name, name) if reasons else None,
            )
        )
    return ConvertReport(job.dataset_dir, plan.name, plan.labels, tuple(splits))
