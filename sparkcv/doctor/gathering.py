"""Facts put together: what the driver does with the storage itself, and everything that the checks want to see."""

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from sparkcv.config import TrainConfig
from sparkcv.doctor import application, files, machine
from sparkcv.doctor.facts import Facts, Machine, Step
from sparkcv.doctor.finding import DRIVER
from sparkcv.doctor.survey import Survey
from sparkcv.errors import SparkcvError
from sparkcv.records.shards import Dataset
from sparkcv.storage.hadoop import load_conf

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["driver", "facts", "folder", "surveyed"]

_HADOOP = ("hdfs://", "viewfs://")


@contextlib.contextmanager
def folder(train_dir: str) -> Iterator[tuple[str, list[Step]]]:
    """Make a probe folder in ``train_dir`` and what the driver did in it; "" and the error if there can be none.

    Without a ``train_dir`` there is neither.
    """
    if not train_dir:
        yield "", []
        return
    with contextlib.ExitStack() as stack:
        try:
            url = stack.enter_context(files.probe_folder(train_dir))
        except SparkcvError as err:
            made = "", [Step("write", 0.0, str(err), type(err).__name__)]
        else:
            made = url, files.exercise(url, "driver")
        yield made


def driver(made: Sequence[Step] = (), dataset: Dataset | None = None) -> Machine:
    """Return what is so of the driver."""
    machine_now = Machine.of(DRIVER, machine.describe())
    read = files.read_some(dataset.shards[0].url) if dataset is not None else []
    return dataclasses.replace(machine_now, files=tuple(made), dataset=tuple(read))


def facts(spark: "SparkSession", config: TrainConfig, dataset: Dataset | None, of_driver: Machine) -> Facts:
    """Return what is known without having asked an executor."""
    urls = (config.train_dir, config.dataset_dir or "", config.checkpoint_path or "")
    uses_hdfs = any(url.startswith(_HADOOP) for url in urls)
    return Facts(
        config=config,
        spark=application.describe(spark),
        driver=of_driver,
        dataset=dataset,
        hadoop=load_conf().values if uses_hdfs else {},
        uses_hdfs=uses_hdfs,
    )


def surveyed(known: Facts, survey: Survey) -> Facts:
    """Return the facts with those of a survey."""
    machines = tuple(survey.machines[name] for name in sorted(survey.machines, key=_by_number))
    return dataclasses.replace(known, executors=machines, silent=tuple(survey.silent))


def _by_number(name: str) -> tuple[int, str]:
    return (int(name) if name.isdigit() else -1, name)
