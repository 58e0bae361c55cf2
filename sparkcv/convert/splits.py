"""From written shards to published splits, whatever their pictures came from: staged, counted, checked, published."""

import contextlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sparkcv import storage
from sparkcv.convert import publication
from sparkcv.convert.plan import ConversionPlan
from sparkcv.convert.report import ConvertReport, SplitReport
from sparkcv.convert.shard_writer import ShardSummary
from sparkcv.errors import BudgetError, DataError, ShardError, SparkcvError
from sparkcv.records.manifest import SplitEntry
from sparkcv.records.reasons import allowed, most_frequent
from sparkcv.records.shards import open_dataset

__all__ = ["Written", "check_budget", "check_written", "publish_written", "report_of", "staged"]


@dataclass(frozen=True)
class Written:
    """The shards of a conversion in its staging folder.

    Attributes:
        dataset_dir: where they are published.
        where: what the user named as the source, for messages.
        seed: that of the records' order.
        plan: what was to be written.
        summaries: what was written, by split, in order of the shards.
        source: what the manifest keeps of the source.
    """

    dataset_dir: str
    where: str
    seed: int
    plan: ConversionPlan
    summaries: Mapping[str, Sequence[ShardSummary]]
    source: Mapping[str, str] = field(default_factory=dict)


@contextlib.contextmanager
def staged(dataset_dir: str, staging: str) -> Iterator[None]:
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


def report_of(written: Written) -> ConvertReport:
    """Count what was written and what was rejected."""
    plan, splits = written.plan, []
    for name, summaries in written.summaries.items():
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
                quarantine=publication.quarantine_url(written.dataset_dir, plan.name, name) if reasons else None,
            )
        )
    return ConvertReport(written.dataset_dir, plan.name, plan.labels, tuple(splits))


def _none_usable(where: str, split: SplitReport) -> DataError:
    """Return the error of a split that would have no record, with what was wrong most often."""
    why = f": {most_frequent(split.reasons)}" if split.reasons else ""
    return DataError(f"{where!r} has no usable picture for the split {split.split!r}{why}")


def check_written(written: Written, report: ConvertReport, known: Collection[str]) -> None:
    """Refuse what must not be published; ``known`` are the classes of the splits that stay.

    Raises:
        ShardError: a staged shard is not of the size that was written, or a split has not as many pictures as planned.
        DataError: a split without a usable picture, or the first without one of a class.
        LabelError: another conversion has published splits of other classes meanwhile.
    """
    plan = written.plan
    summaries = [summary for split in written.summaries.values() for summary in split]
    there = {entry.name: entry.size for entry in storage.list_dir(plan.staging)}
    for entry in (summary.entry for summary in summaries):
        if there.get(entry.name) != entry.bytes:
            raise ShardError(f"{entry.name!r} has {there.get(entry.name)} bytes after writing {entry.bytes}")
    first = plan.splits[0].name
    for split, planned in zip(report.splits, plan.splits, strict=True):
        if (got := split.num_records + split.num_rejected) != planned.num_pictures:
            raise ShardError(
                f"{written.where!r} gave {got} pictures for the split {split.split!r} where {planned.num_pictures} were"
                " listed; wanted a source that stays as it is meanwhile"
            )
        if not split.num_records:
            raise _none_usable(written.where, split)
    seen = {label for summary in written.summaries[first] for label in summary.entry.labels}
    void = [label for index, label in enumerate(plan.labels) if str(index) not in seen]
    if void and not known:
        raise DataError(f"the class {void[0]!r} of {written.where!r} has no usable picture for the split {first!r}")
    publication.refuse_other_labels(written.dataset_dir, plan.labels, [split.name for split in plan.splits])


def check_budget(report: ConvertReport, budget: float, flag: str = "--bad_image_budget") -> None:
    """Raise BudgetError if more than a share of ``budget``, given by ``flag``, of the pictures are unusable."""
    total = report.num_records + report.num_rejected
    if report.num_rejected > allowed(budget, total):
        raise BudgetError(
            f"{report.num_rejected} of {total} pictures are unusable ({most_frequent(report.reasons)}),"
            f" {flag} allows a share of {budget}"
        )


def publish_written(written: Written, report: ConvertReport) -> None:
    """Move the shards and the lists of rejects into the dataset's folder, and read the dataset as a reader would."""
    dataset_dir, plan, entries = written.dataset_dir, written.plan, {}
    for split in report.splits:
        summaries = written.summaries[split.split]
        said = {**plan.rules.describe(), **written.source}
        entries[split.split] = SplitEntry(written.seed, tuple(summary.entry for summary in summaries), said)
        url = publication.quarantine_url(dataset_dir, plan.name, split.split)
        storage.delete(url)
        if split.num_rejected:
            with storage.open_write(url) as sink:
                for summary in summaries:
                    sink.write(storage.read_bytes(f"{storage.join(plan.staging, summary.entry.name)}.jsonl"))
    publication.publish(dataset_dir, plan.name, plan.labels, entries, plan.staging)
    for name in entries:
        open_dataset(dataset_dir, plan.name, name)  # as a reader would find it
