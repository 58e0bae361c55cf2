"""A training run before it starts: its flags, data and folder, checked without Spark and without TensorFlow."""

import dataclasses
import time
from typing import Any, TypeVar

import sparkcv
from sparkcv import config as configs
from sparkcv import logs, storage
from sparkcv.config import TrainConfig
from sparkcv.config.port_range import PortRange
from sparkcv.config.train import PRELOADED
from sparkcv.doctor import estimate, machine, num_ps, quick
from sparkcv.doctor.checks import gpus
from sparkcv.driver import final_export, scope_checks, statistics_checks, train_start, unused_flags
from sparkcv.driver.class_weights import settled_weights
from sparkcv.driver.net_flags import check_image_size, check_labels_offset, is_gray
from sparkcv.driver.versions import versions
from sparkcv.errors import ShardError, UsageError
from sparkcv.inputs import decoded_size
from sparkcv.records import shards
from sparkcv.records.example import FeatureNames
from sparkcv.records.labels import FILE_NAME as LABELS
from sparkcv.rundir import checkpoint, checkpoint_foreign, checkpoint_model, lease, restart
from sparkcv.rundir.description import RunDescription
from sparkcv.rundir.folder import RunFolder
from sparkcv.spark import session

__all__ = [
    "TrainPlan",
    "check_data",
    "check_flags",
    "check_net",
    "check_writable",
    "describe",
    "prepare",
    "session_of",
    "settled",
    "sized",
]

Sized = TypeVar("Sized", bound=TrainConfig)

_log = logs.get(__name__)


@dataclasses.dataclass(frozen=True)
class TrainPlan:
    """A run that can start: its flags with full URLs, its datasets, and what its folder already holds.

    ``eval_dataset`` is the split of ``--num_evaluators``; ``is_exported`` tells whether ``--export_dir``, if there is
    one, has the model of ``found``; ``data_change`` says how the data differs from what the run was started on;
    ``adopts`` that ``found`` has no manifest yet; ``stopped_early`` why a run that is finished ended before its target;
    ``reproduces`` is the folder of a run that this one starts again;
    ``program`` is what the roles run; None: a classifier's training.
    """

    config: TrainConfig
    dataset: shards.Dataset
    found: checkpoint.Found | None
    eval_dataset: shards.Dataset | None = None
    is_exported: bool = True
    data_change: str = ""
    adopts: bool = False
    stopped_early: str = ""
    reproduces: str | None = None
    program: str | None = None

    @property
    def step(self) -> int:
        """The global step that the run goes on from."""
        return self.found.step if self.found else 0

    @property
    def is_trained(self) -> bool:
        """Whether the newest valid checkpoint already stands at the target, or where the evaluations ended the run."""
        target = self.config.max_number_of_steps
        return bool(self.stopped_early) or (target is not None and self.step >= target)

    @property
    def is_finished(self) -> bool:
        """Whether nothing is left to do: trained, and exported if that was asked for."""
        return self.is_trained and self.is_exported

    def session(self) -> session.SessionSpec | None:
        """Return what the run needs of Spark, an executor a role; None where nothing is left to do."""
        if self.is_finished:
            return None
        return session_of("sparkcv train", self.config, self.dataset)


def session_of(app_name: str, config: TrainConfig, dataset: shards.Dataset | None) -> session.SessionSpec:
    """Return what a training run needs of Spark, an executor a role; ``dataset`` is None where it is not known."""
    return session.SessionSpec(
        app_name,
        num_executors=config.num_roles,
        memory_mb=config.executor_memory_mb,
        role_bytes=estimate.largest(config, dataset)[1].likely,
        ports=PortRange.parse(config.port_range),
    )


def prepare(config: TrainConfig) -> TrainPlan:
    """Check flags, net, dataset and run folder without Spark or TensorFlow.

    Raises:
        UsageError: a flag that can never work here, such as an unknown net.
        DataError, StorageError: a dataset, or a split of it, that is missing, empty or not what its manifest says.
        CheckpointError: a run folder of another model, or one whose checkpoints are all damaged, gone, or not ours;
            a checkpoint to start from that is of another net, or not whole.
        LabelError: a run folder, or a head to start from, of other classes.
        LeaseError: a run folder that another run is seen to hold.
        FileExistsAlreadyError: ``--export_dir`` holds something that is not an export of this run.
    """
    plan = check_data(config)
    check_writable(plan.config)
    return plan


def check_writable(config: TrainConfig) -> None:
    """Raise LeaseError or StorageError unless the folders of a run and of its export, resolved URLs, can be written."""
    # Else only its owner writes there, which shows as well that one can.
    if RunFolder.inspect(config.train_dir).holder is None:
        storage.check_writable(config.train_dir)
    if config.export_dir:
        storage.check_writable(storage.parent(config.export_dir))


def check_net(config: TrainConfig) -> None:
    """Raise UsageError for a net or a preprocessing that there is not, or a picture size that they do not take."""
    check_image_size(config.model_name, config.train_image_size, config.preprocessing_name)


def check_flags(config: TrainConfig) -> None:
    """Raise UsageError for scopes to leave out of nothing."""
    if config.checkpoint_exclude_scopes and not config.checkpoint_path:
        raise UsageError(
            f"--checkpoint_exclude_scopes {config.checkpoint_exclude_scopes} without --checkpoint_path: got nothing to"
            " restore from; wanted the checkpoint to start from"
        )


def check_data(config: TrainConfig) -> TrainPlan:
    """Do what :func:`prepare` does, and raise what it raises, without writing anything."""
    if not config.dataset_dir:
        raise UsageError("--dataset_dir is missing")
    check_flags(config)
    unused_flags.explain(config)
    check_net(config)
    gray = is_gray(config.model_name, config.preprocessing_name, config.use_grayscale)
    config = with_ps(dataclasses.replace(config, use_grayscale=gray))
    if not session.is_submitted():  # the workers run on this machine
        quick.refuse(gpus.lacking(config, machine.gpu_devices(), "this machine has"))
    dataset_dir = storage.resolve(str(config.dataset_dir))
    config = dataclasses.replace(
        config,
        dataset_dir=dataset_dir,
        train_dir=storage.resolve(config.train_dir),
        checkpoint_path=config.checkpoint_path and checkpoint_model.resolve(config.checkpoint_path),
        export_dir=config.export_dir and storage.resolve(config.export_dir),
    )
    dataset = shards.open_dataset(
        dataset_dir,
        config.dataset_name,
        config.dataset_split_name,
        FeatureNames(config.image_feature, config.label_feature),
    )
    labels = check_labels_offset(dataset.labels, config.labels_offset, dataset_dir)
    weights = settled_weights(config.class_weights, dataset, config.labels_offset)
    config = dataclasses.replace(config, class_weights=weights)
    final_export.check(config)
    if config.input_mode == PRELOADED:
        needed = decoded_size.check_fits(dataset, max(1, config.num_workers), config.cache_bytes)
        _log.info("each worker's decoded pictures take about %.0f MiB of memory", needed / 2**20)
    eval_dataset = _eval_dataset(config)
    where = storage.join(dataset_dir, LABELS)
    start = None
    if config.checkpoint_path:
        start = train_start.check_start(config.checkpoint_path, config, labels, where)
        config = dataclasses.replace(config, checkpoint_path=start.prefix_url)
    if config.restart:
        config = statistics_checks.for_training(config, dataset, resumes=False)
        scope_checks.check(config, len(labels), start)
        return TrainPlan(config, dataset, None, eval_dataset)
    folder = RunFolder.inspect(config.train_dir)
    found = train_start.resumed(config, folder)
    train_start.check_same_run(config, labels, where, folder, found)
    config = statistics_checks.for_training(config, dataset, resumes=found is not None)
    adopts = found is not None and not found.manifest
    is_exported = config.export_dir is None if adopts else _is_exported(config, folder)
    change, stopped_early = train_start.data_change(folder, dataset), train_start.stopped_early(config, folder, found)
    plan = TrainPlan(config, dataset, found, eval_dataset, is_exported, change, adopts, stopped_early)
    if not plan.is_trained:
        scope_checks.check(config, len(labels), start)
    return plan


def settled(plan: TrainPlan, held: lease.Lease, application: str) -> TrainPlan:
    """Return the plan by what the folder holds now that nobody else writes there; clear it with --restart."""
    train_dir, former = plan.config.train_dir, held.former
    if plan.config.restart:
        is_done = former is not None and former.has_restarted and former.application == application != ""
        if not is_done:
            restart.set_aside(train_dir)
        held.note(has_restarted=True)
        if not is_done:
            return dataclasses.replace(plan, found=None)
        _log.info("--restart is done already: an earlier attempt of %s began %s anew", application, train_dir)
    elif plan.adopts:
        checkpoint_foreign.adopt(train_dir, held.fence)
    elif checkpoint.newest_step(train_dir) == plan.step:
        return plan
    folder, dataset = RunFolder.inspect(train_dir), plan.dataset
    where = storage.join(dataset.dir, LABELS)
    train_start.check_same_run(plan.config, dataset.labels[plan.config.labels_offset :], where, folder, folder.newest)
    return dataclasses.replace(
        plan,
        found=folder.newest,
        is_exported=_is_exported(plan.config, folder),
        data_change=train_start.data_change(folder, dataset),
        adopts=False,
        stopped_early=train_start.stopped_early(plan.config, folder, folder.newest),
    )


def sized(config: Sized, spark: Any) -> Sized:
    """Settle the number of roles: as asked, else by --worker_replicas, else the executors submitted."""
    size = config.cluster_size
    if size is None and config.worker_replicas == 1:
        submitted = session.submitted_executors(spark)
        size = submitted if submitted is not None else config.num_roles
    if size is None:
        size = config.num_roles
    return with_ps(dataclasses.replace(config, cluster_size=size))


def with_ps(config: Sized) -> Sized:
    """Settle the number of parameter servers where it is not given and the roles are known; say which, and why."""
    settled = num_ps.settled(config)
    if settled.num_ps_tasks != config.num_ps_tasks and settled.num_roles > 1:
        _log.info("%s", num_ps.why(settled))
    return settled


def describe(plan: TrainPlan) -> RunDescription:
    """Return what is to be known of the run later: what ran, on what, with which versions."""
    config, dataset = plan.config, plan.dataset
    return RunDescription(
        model_name=config.model_name,
        num_classes=dataset.num_classes - config.labels_offset,
        labels=tuple(dataset.labels[config.labels_offset :]),
        num_records=dataset.num_records,
        dataset_digest=dataset.digest,
        resumed_from_step=plan.step,
        started=time.time(),
        sparkcv=sparkcv.__version__,
        source=machine.source_digest(),
        reproduces=plan.reproduces,
        versions=versions(),
        config=configs.to_dict(config),
    )


def _is_exported(config: TrainConfig, folder: RunFolder) -> bool:
    """Tell whether nothing is left to export; a model may lie there that never scored, which only the status tells."""
    return config.export_dir is None or (final_export.is_whole(config, folder.newest) and folder.is_finished)


def _eval_dataset(config: TrainConfig) -> shards.Dataset | None:
    """Open the split that the evaluator reads; None without an evaluator."""
    if not config.num_evaluators:
        return None
    try:
        return shards.open_dataset(
            str(config.dataset_dir),
            config.dataset_name,
            config.eval_split_name,
            FeatureNames(config.image_feature, config.label_feature),
        )
    except ShardError as err:
        raise ShardError(f"--eval_split_name {config.eval_split_name}, which the evaluator reads: {err}") from err
