"""Start a training run again from its run.json, in a new folder, and say what differs from then.

The same flags, net and classes are wanted, or it is refused. Code, packages and records may have changed: that is said.
"""

import dataclasses
from typing import Any

import sparkcv
from sparkcv import config as configs
from sparkcv import logs, storage
from sparkcv.config import ReproduceConfig, TrainConfig
from sparkcv.driver import checkpoint_checks, train
from sparkcv.driver.checkpoint_checks import TrainedClasses
from sparkcv.driver.run_differences import Difference, between
from sparkcv.driver.train_plan import TrainPlan, describe
from sparkcv.errors import CheckpointError, FileExistsAlreadyError, MissingFileError, UsageError
from sparkcv.records.labels import FILE_NAME as LABELS
from sparkcv.rundir import checkpoint
from sparkcv.rundir.description import FILE_NAME, RunDescription
from sparkcv.spark.session import SessionSpec

__all__ = ["ReproducePlan", "ReproduceReport", "prepare", "run", "train_config"]

_log = logs.get(__name__)


@dataclasses.dataclass(frozen=True)
class ReproducePlan:
    """A run that can be started again: the training that does it, and what differs from then."""

    run_url: str
    training: TrainPlan
    differences: tuple[Difference, ...]
    is_dry: bool

    def session(self) -> SessionSpec | None:
        """Return what the training needs of Spark; None where nothing is to be started."""
        return None if self.is_dry else self.training.session()


@dataclasses.dataclass(frozen=True)
class ReproduceReport:
    """What differs from the run that was started again, and what the new one did; ``training`` is None if dry."""

    run_url: str
    differences: tuple[Difference, ...]
    training: train.TrainReport | None

    def __str__(self) -> str:
        lines = [] if self.training is None else [str(self.training)]
        return "\n".join([*lines, *_said(self.run_url, self.differences)])


def prepare(config: ReproduceConfig) -> ReproducePlan:
    """Read the run's description, check that it can be started again, and compare it with what is here now.

    Raises:
        MissingFileError: there is no run.json.
        CheckpointError: it is not one that this version can start again, or is of other classes than the data.
        FileExistsAlreadyError: ``--train_dir`` holds another run.
        What :func:`sparkcv.driver.train.prepare` raises, such as for data that is gone.
    """
    run_url = storage.resolve(config.run)
    told = _description(run_url)
    flags = train_config(config)
    if storage.resolve(flags.train_dir) == run_url:
        raise UsageError(f"--train_dir {flags.train_dir} is the run itself; wanted a new folder")
    _check_new(storage.resolve(flags.train_dir), run_url)
    training = dataclasses.replace(train.prepare(flags), reproduces=run_url)
    _check_classes(told, run_url, training)
    return ReproducePlan(run_url, training, tuple(between(told, describe(training))), config.dry_run)


def run(spark: Any, plan: ReproducePlan) -> ReproduceReport:
    """Say what differs, train, and return both; raises what :func:`sparkcv.driver.train.run` raises."""
    if plan.is_dry:
        return ReproduceReport(plan.run_url, plan.differences, None)
    for line in _said(plan.run_url, plan.differences):
        _log.info("%s", line)
    return ReproduceReport(plan.run_url, plan.differences, train.run(spark, plan.training))


def train_config(config: ReproduceConfig) -> TrainConfig:
    """Return the flags of the new training: the run's own, but for the folders that it writes to and what was given.

    Raises what :func:`prepare` raises of run.json.
    """
    run_url = storage.resolve(config.run)
    told = _description(run_url)
    given = {name: getattr(config, name) for name in ("dataset_dir", "checkpoint_path", "max_number_of_steps")}
    changes = {name: value for name, value in given.items() if value is not None}
    # A model lies in its export_dir already, and what was begun anew or adopted there is not here.
    changes |= {"train_dir": config.train_dir, "export_dir": config.export_dir}
    changes |= {"restart": False, "adopt_checkpoint": False}
    try:
        return configs.from_dict(TrainConfig, {**told.config, **changes})
    except UsageError as err:
        raise CheckpointError(
            f"the run in {run_url!r}, of sparkcv {told.sparkcv}, cannot be started again by {sparkcv.__version__}:"
            f" {err}"
        ) from err


def _description(run_url: str) -> RunDescription:
    told = RunDescription.read(run_url)
    if told is None:
        raise MissingFileError(
            f"{storage.join(run_url, FILE_NAME)!r} does not exist: got no run in {run_url!r}, wanted the --train_dir of"
            " one"
        )
    if not told.config or not told.config.get("dataset_dir"):
        raise CheckpointError(
            f"{storage.join(run_url, FILE_NAME)!r} lacks the flags of the run, so that it cannot be started again"
        )
    return told


def _check_new(train_dir: str, run_url: str) -> None:
    """Refuse a folder that holds another run; one of the same reproduction goes on."""
    there = RunDescription.read(train_dir)
    if there is not None and there.reproduces == run_url:
        return
    if there is not None or checkpoint.steps(train_dir):
        raise FileExistsAlreadyError(
            f"--train_dir {train_dir!r} holds a run already, and not one that reproduces {run_url!r}; wanted a new"
            " folder"
        )


def _check_classes(told: RunDescription, run_url: str, training: TrainPlan) -> None:
    """Refuse data of other classes: what would be trained is another classifier."""
    dataset, former = training.dataset, TrainedClasses.of_run(told, run_url)
    names = dataset.labels[training.config.labels_offset :]
    where = storage.join(dataset.dir, LABELS)
    checkpoint_checks.check_same_classes(former, f"the run in {run_url!r}", names, where, "")
    if former.number not in (None, len(names)):
        raise CheckpointError(
            f"the run in {run_url!r} tells {former.number} classes apart, {where} has {len(names)}; wanted the same"
        )


def _said(run_url: str, differences: tuple[Difference, ...]) -> list[str]:
    if not differences:
        return [f"nothing that is known differs from the run in {run_url}"]
    return [f"differs from the run in {run_url}:", *(f"  {each}" for each in differences)]
