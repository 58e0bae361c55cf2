"""The driver's side of the doctor: what a training job checks before Spark, then the examination of the cluster."""

import dataclasses
import shutil
import sys
from typing import Any

from sparkcv import config as configs
from sparkcv import doctor, storage
from sparkcv.config import DoctorConfig, TrainConfig
from sparkcv.driver import train_plan
from sparkcv.errors import SparkcvError, UnavailableError, UsageError
from sparkcv.records.shards import Dataset
from sparkcv.spark.session import SessionSpec

__all__ = ["DoctorPlan", "prepare", "run"]

_COLUMNS = 100  # of a log file


@dataclasses.dataclass(frozen=True)
class DoctorPlan:
    """A run to be examined: its flags with full URLs, its dataset if it is whole, and what is wrong already.

    ``is_answered`` is False if the storage does not answer: nobody is sent to wait for it once more.
    """

    config: DoctorConfig
    dataset: Dataset | None = None
    complaints: tuple[str, ...] = ()
    is_answered: bool = True

    def session(self) -> SessionSpec:
        """Return what training would need of Spark."""
        return train_plan.session_of("sparkcv doctor", self.config, self.dataset)


def prepare(config: DoctorConfig) -> DoctorPlan:
    """Check what training checks without Spark; only wrong usage is raised, all else belongs into the report.

    Without ``--dataset_dir`` the dataset is left out. Raises UsageError as training would.
    """
    full = dataclasses.replace(
        config,
        train_dir=storage.resolve(config.train_dir),
        dataset_dir=config.dataset_dir and storage.resolve(config.dataset_dir),
        checkpoint_path=config.checkpoint_path and storage.resolve(config.checkpoint_path),
    )
    train_plan.check_net(full)
    if not full.dataset_dir:
        return DoctorPlan(full)
    try:
        return DoctorPlan(full, train_plan.check_data(_training(full)).dataset)
    except UsageError:
        raise
    except SparkcvError as err:
        return DoctorPlan(full, complaints=(str(err),), is_answered=not isinstance(err, UnavailableError))


def run(spark: Any, plan: DoctorPlan) -> str:
    """Examine the cluster of ``spark`` for the run, show the table of all findings, and return the last word on them.

    Raises SparkcvError if training would fail: in here, so that YARN hears of it before the session ends.
    """
    config = train_plan.sized(plan.config, spark)
    report = doctor.examine(spark, config, plan.dataset, plan.complaints, is_answered=plan.is_answered)
    is_terminal = sys.stdout.isatty()
    columns = shutil.get_terminal_size((_COLUMNS, 0)).columns if is_terminal else _COLUMNS
    sys.stdout.write(f"{doctor.table(report, columns, colour=is_terminal)}\n")
    sys.stdout.flush()
    if not report.is_ok:
        raise SparkcvError(doctor.sentence(report))
    return doctor.sentence(report)


def _training(config: DoctorConfig) -> TrainConfig:
    names = {field.name for field in dataclasses.fields(TrainConfig)}
    return TrainConfig(**{name: value for name, value in configs.to_dict(config).items() if name in names})
