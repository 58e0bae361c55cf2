"""The job of training: from shards, or from a table that the executors first write as shards into the run's folder."""

import dataclasses
import functools
from typing import Any

from sparkcv import logs, storage
from sparkcv.config import TrainConfig
from sparkcv.config.tables import check_table
from sparkcv.driver import final_export, train, train_start
from sparkcv.driver.train_plan import check_flags, check_net, check_writable, session_of, with_ps
from sparkcv.errors import UsageError
from sparkcv.rundir import checkpoint_model
from sparkcv.spark.job_group import job_group
from sparkcv.spark.session import SessionSpec

__all__ = ["FOLDER", "TrainJob", "prepare", "run"]

FOLDER = "dataset"
"""Where in the run's folder the shards of a table are."""

_log = logs.get(__name__)


@dataclasses.dataclass(frozen=True)
class TrainJob:
    """A training that can start; ``plan`` is None as long as its table is not written as shards."""

    config: TrainConfig
    plan: train.TrainPlan | None

    def session(self) -> SessionSpec | None:
        """Return what the training needs of Spark; None where nothing is left to do."""
        return self.plan.session() if self.plan else session_of("sparkcv train", self.config, None)


def prepare(config: TrainConfig) -> TrainJob:
    """Check what can be checked before Spark starts; of a run on shards that is all (see ``train.prepare``).

    Raises:
        UsageError: a dataset's folder beside a table, a flag of the table's columns without one, or a split that the
            table does not become.
        CheckpointError, MissingFileError: nothing to start from where the flags say.
        FileExistsAlreadyError: ``--export_dir`` holds something that is not an export of this run.
        LeaseError: another run is seen to hold the folder into which the table would be written.
        What :func:`sparkcv.driver.train.prepare` raises.
    """
    if not check_table(config):
        if config.validation_fraction is not None:
            raise UsageError(
                f"--validation_fraction {config.validation_fraction}: it splits a table; wanted --dataset_table or"
                " --dataset_query, or a validation split of the shards"
            )
        return TrainJob(config, train.prepare(config))
    if config.dataset_dir:
        raise UsageError(
            f"--dataset_dir {config.dataset_dir} with a table: got both, wanted one of them; a table's shards go into"
            f" the run's own folder {FOLDER!r}"
        )
    _check_splits(config)
    check_flags(config)
    check_net(config)
    config = dataclasses.replace(
        with_ps(config),
        train_dir=storage.resolve(config.train_dir),
        export_dir=config.export_dir and storage.resolve(config.export_dir),
    )
    if config.checkpoint_path:
        train_start.located(checkpoint_model.resolve(config.checkpoint_path))
    final_export.check(config)
    check_writable(config)
    return TrainJob(config, None)


def run(spark: Any, plan: TrainJob) -> train.TrainReport:
    """Write the table's shards, unless those that are there are of the same rows, and train from them.

    Raises what :func:`sparkcv.convert.from_dataframe` and :func:`sparkcv.driver.train.run` raise.
    """
    return train.run(spark, plan.plan or train.prepare(_written(spark, plan.config)))


def _check_splits(config: TrainConfig) -> None:
    """Raise UsageError for a split to train or to evaluate on that the table does not become."""
    splits = (config.dataset_split_name,) if config.validation_fraction is None else ("train", "validation")
    evaluated = ["eval_split_name"] if config.num_evaluators else []
    for name in ("dataset_split_name", *evaluated):
        if (split := getattr(config, name)) not in splits:
            also = ", or --validation_fraction, which makes the split 'validation'" if len(splits) == 1 else ""
            raise UsageError(
                f"--{name} {split}: the shards of the table are of the split {' and '.join(map(repr, splits))}; wanted"
                f" {'that' if len(splits) == 1 else 'one of them'}{also}"
            )


def _written(spark: Any, config: TrainConfig) -> TrainConfig:
    """Return the flags of a training on the shards of the table."""
    # Here: whoever trains on shards needs none of it.
    from sparkcv.convert import PictureColumns, TableConversion, from_dataframe
    from sparkcv.driver.tables import named, open_table
    from sparkcv.preprocess.picture_file import PictureRules
    from sparkcv.tokens.server import enter
    from sparkcv.tokens.stage import let_in

    where = named(config.dataset_table, config.dataset_query)
    settings = TableConversion(
        storage.join(config.train_dir, FOLDER),
        config.dataset_name,
        config.dataset_split_name,
        config.validation_fraction,
        seed=config.seed,
        columns=PictureColumns(config.image_column, config.label_column, config.name_column),
        rules=PictureRules(config.max_pixels),
        bad_image_budget=config.bad_record_budget,
        budget_flag="--bad_record_budget",
    )
    with (
        job_group(spark, f"write {where} as shards"),
        let_in(spark, config.port_range, "nothing was published, the same command begins anew") as place,
    ):
        frame = open_table(spark, config.dataset_table, config.dataset_query)
        report = from_dataframe(frame, settings, where=where, enter=functools.partial(enter, place))
    _log.info("%s", report)
    unset = TrainConfig()
    return dataclasses.replace(
        config,
        dataset_dir=settings.dataset_dir,
        dataset_table=None,
        dataset_query=None,
        validation_fraction=None,
        image_column=unset.image_column,
        label_column=unset.label_column,
        name_column=unset.name_column,
    )
