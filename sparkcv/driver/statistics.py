"""The fit of a dataset's statistics: workers count on Spark executors, the driver adds up, solves and writes."""

import dataclasses
import math
import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Any

from sparkcv import config as configs
from sparkcv import logs, nets, preprocess, storage
from sparkcv.cluster import supervisor
from sparkcv.cluster.run_spec import RunSpec
from sparkcv.config import StatisticsConfig
from sparkcv.config.port_range import PortRange
from sparkcv.driver.net_flags import check_image_size, is_gray
from sparkcv.driver.progress import ExamplesProgress
from sparkcv.errors import BudgetError, DataError, StorageError, UsageError
from sparkcv.records import shards
from sparkcv.records.example import FeatureNames
from sparkcv.records.reasons import allowed
from sparkcv.records.statistics import MAX_FEATURES, FittedOn, Moments, Statistics, file_name
from sparkcv.roles import Role
from sparkcv.spark import session
from sparkcv.spark.session import SessionSpec

__all__ = ["StatisticsPlan", "StatisticsReport", "prepare", "run"]

PROGRAM = "sparkcv.programs.statistics:main"

_log = logs.get(__name__)


@dataclasses.dataclass(frozen=True)
class StatisticsPlan:
    """A fit that can start: its flags with full URLs, the split, and what is to be fitted."""

    config: StatisticsConfig
    dataset: shards.Dataset
    of: FittedOn

    def session(self) -> SessionSpec:
        """Return what the fit needs of Spark: an executor a worker."""
        return SessionSpec(
            "sparkcv statistics",
            num_executors=self.config.cluster_size or 1,
            memory_mb=self.config.executor_memory_mb,
            ports=PortRange.parse(self.config.port_range),
        )


@dataclasses.dataclass(frozen=True)
class StatisticsReport:
    """What was fitted and where it lies; its text is the job's last words."""

    url: str
    statistics: Statistics
    num_rejected: int
    elapsed_s: float

    def __str__(self) -> str:
        found = self.statistics
        rows = [
            ("fitted on", f"{found.of.num_records} pictures of {found.of}"),
            ("mean", " ".join(f"{value:.4f}" for value in found.mean)),
            ("deviation", " ".join(f"{value:.4f}" for value in found.deviation)),
            ("whitening", f"{found.whitening}, epsilon {found.epsilon:g}" if found.whitening else "none"),
            ("rejected", str(self.num_rejected)),
            ("digest", found.digest),
            ("statistics", f"{logs.clean(self.url)}, read back"),
            ("took", logs.duration(self.elapsed_s)),
        ]
        return "\n".join(f"{name:<12} {text}" for name, text in rows)


def prepare(config: StatisticsConfig) -> StatisticsPlan:
    """Check flags, net and dataset without Spark or TensorFlow.

    Raises:
        UsageError: an unknown net or preprocessing, pictures that are too large to be whitened, or a folder for a file.
        DataError, StorageError: a dataset that is missing, empty or not what its manifest says.
    """
    size = check_image_size(config.model_name, config.image_size, config.preprocessing_name)
    gray = is_gray(config.model_name, config.preprocessing_name, config.use_grayscale)
    config = dataclasses.replace(config, use_grayscale=gray)
    channels = 1 if gray else 3
    if config.whitening and channels * size**2 > MAX_FEATURES:
        raise UsageError(
            f"--whitening {config.whitening}: got pictures of {size} x {size} x {channels}, {channels * size**2}"
            f" values, whose matrix has the square of that; wanted at most {MAX_FEATURES}, or a smaller --image_size"
        )
    dataset_dir = storage.resolve(config.dataset_dir)
    names = FeatureNames(config.image_feature, config.label_feature)
    dataset = shards.open_dataset(dataset_dir, config.dataset_name, config.dataset_split_name, names)
    family = preprocess.get(config.preprocessing_name or nets.get(config.model_name).preprocessing).name
    of = FittedOn(
        dataset.name,
        dataset.split,
        dataset.digest,
        dataset.num_records,
        family,
        size,
        config.use_grayscale,
        config.jpeg_arithmetic,
    )
    url = storage.resolve(config.output_file) if config.output_file else storage.join(dataset_dir, file_name(of))
    if storage.is_dir(url):
        raise UsageError(f"--output_file: {url!r} is a folder, wanted the name of a file")
    storage.check_writable(storage.parent(url))
    return StatisticsPlan(dataclasses.replace(config, dataset_dir=dataset_dir, output_file=url), dataset, of)


def run(spark: Any, plan: StatisticsPlan) -> StatisticsReport:
    """Count the split's pixels on the executors of ``spark``, fit, write the file and read it back.

    Raises ClusterError if a worker died, BudgetError for too many bad records, DataError for fewer than two pictures.
    """
    started_s = time.monotonic()
    config, of = plan.config, plan.of
    size = min(config.cluster_size or session.submitted_executors(spark) or 1, plan.dataset.num_records)
    parts_url = storage.join(storage.parent(str(config.output_file)), f".parts-{secrets.token_hex(6)}")
    params = {
        "config": configs.to_dict(config),
        "dataset": plan.dataset.to_dict(),
        "of": dataclasses.asdict(of),
        "num_workers": size,
        "parts_url": parts_url,
    }
    workers = [Role("worker", index) for index in range(size)]
    progress = ExamplesProgress("statistics", plan.dataset.num_records, "picture")
    try:
        results = supervisor.run(
            spark,
            RunSpec(
                PROGRAM,
                workers,
                params,
                services=(),
                start_timeout_s=config.start_timeout_s,
                ports=PortRange.parse(config.port_range),
            ),
            progress,
        )
        moments = _added(parts_url, size, of, has_covariance=config.whitening is not None)
    finally:
        progress.close()
        _remove(parts_url)
    num_rejected = _rejected(list(results.values()), moments.num_records, config.bad_record_budget)
    of = dataclasses.replace(of, num_records=moments.num_records)
    fitted = moments.fit(of, config.whitening or "", config.epsilon)
    url = str(config.output_file)
    fitted.write(url)
    if Statistics.read(url).digest != fitted.digest:
        raise DataError(f"{url!r} does not read as it was written")
    return StatisticsReport(url, fitted, num_rejected, time.monotonic() - started_s)


def _rejected(results: Sequence[Mapping[str, Any]], num_counted: int, budget: float) -> int:
    """Return how many records all workers left out; raise BudgetError if those are over what each may by itself."""
    num_rejected = sum(int(result["num_rejected"]) for result in results)
    total = num_counted + num_rejected
    most = math.ceil(allowed(budget, total))
    if num_rejected > most:
        first = next(result["first_reject"] for result in results if result["num_rejected"])
        raise BudgetError(
            f"{num_rejected} of {total} records cannot be used, --bad_record_budget {budget:g} allows {most}; the"
            f" first: {first}"
        )
    return num_rejected


def _added(parts_url: str, num_workers: int, of: FittedOn, *, has_covariance: bool) -> Moments:
    """Return the sums of all workers; one part is held at a time."""
    shape = (of.image_size, of.image_size, 1 if of.use_grayscale else 3)
    moments = Moments(shape, has_covariance=has_covariance)
    for index in range(num_workers):
        moments.merge(Moments.read(storage.join(parts_url, f"{index}.npz"), shape, has_covariance=has_covariance))
    return moments


def _remove(parts_url: str) -> None:
    try:
        storage.delete(parts_url, recursive=True)
    except StorageError as err:  # must not hide why the run ended
        _log.warning("%s was not removed: %s", parts_url, err)
