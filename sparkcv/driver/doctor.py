"""The driver's side of the doctor: what a training job checks before Spark, then the examination of the cluster."""

import dataclasses
from typing import Any

from sparkcv import config as configs
from sparkcv import doctor, storage
from sparkcv.config import DoctorConfig, TrainConfig
from sparkcv.driver import train
from sparkcv.errors import SparkcvError, UnavailableError, UsageError
from sparkcv.records.shards import Dataset

__all__ = ["Case", "diagnose", "prepare"]


@dataclasses.dataclass(frozen=True)
class Case:
    """A run to be examined: its flags with full URLs, its dataset if it is whole, and what is wrong already.

    ``is_answered`` is False if the storage does not answer: nobody is sent to wait for it once more.
    """

    config: DoctorConfig
    dataset: Dataset | None = None
    complaints: tuple[str, ...] = ()
    is_answered: bool = True


def prepare(config: DoctorConfig) -> Case:
    """Check what training checks without Spark; only wrong usage is raised, all else belongs into the report.

    Without ``--dataset_dir`` the dataset is left out. Raises UsageError as training would.
    """
    full = dataclasses.replace(
        config,
        train_dir=storage.resolve(config.train_dir),
        dataset_dir=config.dataset_dir and storage.resolve(config.dataset_dir),
        checkpoint_path=config.checkpoint_path and storage.resolve(config.checkpoint_path),
    )
    train.check_net(full)
    if not full.dataset_dir:
        return Case(full)
    try:
        return Case(full, train.check_data(_training(full)).dataset)
    except UsageError:
        raise
    except SparkcvError as err:
        return Case(full, complaints=(str(err),), is_answered=not isinstance(err, UnavailableError))


def diagnose(spark: Any, case: Case) -> doctor.DoctorReport:
    """Examine the cluster of ``spark`` for the run."""
    config = train.sized(case.config, spark)
    return doctor.examine(spark, config, case.dataset, case.complaints, is_answered=case.is_answered)


def _training(config: DoctorConfig) -> TrainConfig:
    names = {field.name for field in dataclasses.fields(TrainConfig)}
    return TrainConfig(**{name: value for name, value in configs.to_dict(config).items() if name in names})
