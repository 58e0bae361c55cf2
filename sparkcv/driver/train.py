"""The driver's side of a training run: everything checked first, the roles run, the end proven."""

import dataclasses
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, TypeVar

import sparkcv
from sparkcv import config as configs
from sparkcv import doctor, logs, nets, preprocess, storage
from sparkcv.cluster import recovery, supervisor
from sparkcv.config import TrainConfig
from sparkcv.config.port_range import PortRange
from sparkcv.config.train import STOCK_LAUNCHER
from sparkcv.driver import completion, final_export
from sparkcv.driver.progress import TrainProgress, newest_evaluation
from sparkcv.driver.train_report import TrainReport, report_of
from sparkcv.driver.versions import versions
from sparkcv.errors import CheckpointError, ShardError, UsageError
from sparkcv.launchers import Launcher
from sparkcv.launchers.barrier import BarrierLauncher
from sparkcv.launchers.tfos import TfosLauncher
from sparkcv.records import shards
from sparkcv.roles import Role, roles
from sparkcv.rundir import checkpoint, lease, restart
from sparkcv.rundir.status import StatusFile, says_finished
from sparkcv.spark import session
from sparkcv.tokens import expiry

PROGRAM = "sparkcv.programs.train:main"

_LAST_WORD_S = 10.0

Sized = TypeVar("Sized", bound=TrainConfig)

_log = logs.get(__name__)


@dataclasses.dataclass(frozen=True)
class TrainPlan:
    """A run that can start: its flags with full URLs, its datasets, and what its folder already holds.

    ``eval_dataset`` is the split of ``--num_evaluators``; ``is_exported`` tells whether ``--export_dir``, if there is
    one, has the model of ``found``.
    """

    config: TrainConfig
    dataset: shards.Dataset
    found: checkpoint.Found | None
    eval_dataset: shards.Dataset | None = None
    is_exported: bool = True

    @property
    def step(self) -> int:
        """The global step that the run goes on from."""
        return self.found.step if self.found else 0

    @property
    def is_trained(self) -> bool:
        """Whether the newest valid checkpoint already stands at the target."""
        target = self.config.max_number_of_steps
        return target is not None and self.step >= target

    @property
    def is_finished(self) -> bool:
        """Whether nothing is left to do: trained, and exported if that was asked for."""
        return self.is_trained and self.is_exported


def prepare(config: TrainConfig) -> TrainPlan:
    """Check flags, net, dataset and run folder without Spark or TensorFlow.

    Raises:
        UsageError: a flag that can never work here, such as an unknown net.
        DataError, StorageError: a dataset, or a split of it, that is missing, empty or not what its manifest says.
        CheckpointError: a run folder of another model, or one whose checkpoints are all damaged or gone.
        LeaseError: a run folder that another run is seen to hold.
        FileExistsAlreadyError: ``--export_dir`` holds something that is not an export of this run.
    """
    plan = check_data(config)
    if lease.refuse_if_held(plan.config.train_dir) is None:  # else only its owner writes there, which shows it as well
        storage.check_writable(plan.config.train_dir)
    if plan.config.export_dir:
        storage.check_writable(storage.parent(plan.config.export_dir))
    return plan


def check_net(config: TrainConfig) -> None:
    """Raise UsageError for a net or a preprocessing that there is not, or a picture size that they do not take."""
    net = nets.get(config.model_name)
    image_size = net.check_image_size(config.train_image_size or net.default_image_size)
    preprocess.get(config.preprocessing_name or net.preprocessing).check_image_size(image_size)


def check_data(config: TrainConfig) -> TrainPlan:
    """Do what :func:`prepare` does, and raise what it raises, without writing anything."""
    if not config.dataset_dir:
        raise UsageError("--dataset_dir is missing")
    _explain_unused(config)
    check_net(config)
    dataset_dir = storage.resolve(config.dataset_dir)
    config = dataclasses.replace(
        config,
        dataset_dir=dataset_dir,
        train_dir=storage.resolve(config.train_dir),
        checkpoint_path=config.checkpoint_path and storage.resolve(config.checkpoint_path),
        export_dir=config.export_dir and storage.resolve(config.export_dir),
    )
    dataset = shards.open_dataset(dataset_dir, config.dataset_name, config.dataset_split_name)
    if dataset.num_classes - config.labels_offset < 2:
        raise UsageError(
            f"--labels_offset {config.labels_offset} leaves {dataset.num_classes - config.labels_offset} of the"
            f" {dataset.num_classes} classes in {config.dataset_dir}; wanted at least 2"
        )
    final_export.check(config)
    eval_dataset = _eval_dataset(config)
    if config.checkpoint_path:
        _check_start(config.checkpoint_path, config)
    if config.restart:
        return TrainPlan(config, dataset, None, eval_dataset)
    _check_same_model(config, dataset)
    found = _newest(config.train_dir)
    return TrainPlan(config, dataset, found, eval_dataset, _is_exported(config, found))


def _is_exported(config: TrainConfig, found: checkpoint.Found | None) -> bool:
    """Whether nothing is left to export; the model may lie there before it has scored, which only the status tells."""
    return config.export_dir is None or (final_export.is_whole(config, found) and says_finished(config.train_dir))


def _eval_dataset(config: TrainConfig) -> shards.Dataset | None:
    """Open the split that the evaluator reads; None without an evaluator."""
    if not config.num_evaluators:
        return None
    try:
        return shards.open_dataset(str(config.dataset_dir), config.dataset_name, config.eval_split_name)
    except ShardError as err:
        raise ShardError(f"--eval_split_name {config.eval_split_name}, which the evaluator reads: {err}") from err


def train(spark: Any, plan: TrainPlan) -> TrainReport:
    """Run the roles of ``plan`` on the executors of ``spark`` until the target, prove what they left, and export it.

    Raises:
        ClusterError: the executors cannot hold the roles, or a role died; the message is the report.
        CheckpointError: the roles ended but the last checkpoint is not whole or not at the target.
        LeaseError: another run holds the run folder, or took it over.
        ModelError, StorageError: the export that was asked for failed.
    """
    if plan.is_finished:
        return already_finished(plan)
    plan = dataclasses.replace(plan, config=sized(plan.config, spark))
    kind = TfosLauncher if plan.config.launcher == STOCK_LAUNCHER else BarrierLauncher
    return train_on(
        kind(spark),
        plan,
        lambda: doctor.check_start(spark, plan.config, plan.dataset),
        application=spark.sparkContext.applicationId,
    )


def train_on(
    launcher: Launcher,
    plan: TrainPlan,
    check_start: Callable[[], object] = lambda: None,
    *,
    application: str = "",
    hold: Callable[..., AbstractContextManager[lease.Lease]] = lease.held,
) -> TrainReport:
    """Do what :func:`train` does with any launcher; ``check_start`` may refuse what its hosts cannot do.

    ``application`` is Spark's name of it; ``hold`` gives the lease of the run folder.
    """
    with hold(plan.config.train_dir, application=application) as held:
        plan = _settled(plan, held, application)
        if plan.is_finished:
            return _nothing_to_do(plan, held)
        return _run(launcher, plan, check_start, held)


def _run(launcher: Launcher, plan: TrainPlan, check_start: Callable[[], object], held: lease.Lease) -> TrainReport:
    """Run the roles in a folder that is ours; once it is not, nothing more is written there."""
    config = plan.config
    status = StatusFile(config.train_dir, config.max_number_of_steps, fence=held.fence)
    is_success = False
    try:
        if plan.is_trained:
            status.start(plan.step)
            report = _finished_before(plan)
        else:
            check_start()
            _write_run(config, plan)
            status.start(plan.step)
            report = _run_roles(launcher, plan, status, held)
        if config.export_dir:
            found = checkpoint.at_step(config.train_dir, report.step)
            report = dataclasses.replace(report, export=final_export.run(launcher, config, found))
        held.confirm()
        status.finish(report.step)
        is_success = True
    finally:
        if not is_success:  # also after a bug of ours: no end leaves status.json at "running"
            held.confirm()  # it may be another run's by now
            status.fail(sys.exception() or KeyboardInterrupt())
    return report


def _run_roles(launcher: Launcher, plan: TrainPlan, status: StatusFile, held: lease.Lease) -> TrainReport:
    """Run the roles to their end and prove it."""
    config, started_s = plan.config, time.monotonic()
    asked = roles(config.num_ps_tasks, config.num_workers, config.num_evaluators)
    progress, login = TrainProgress(config.max_number_of_steps), expiry.ExpiryWatch()

    def params(generation: int) -> dict[str, Any]:
        """What roles get; a token of their own fences a chief that was cut off and does not know yet."""
        token = held.advance() if generation else held.token
        given = {"config": configs.to_dict(config), "dataset": plan.dataset.to_dict(), "lease": token}
        return given | ({"eval_dataset": plan.eval_dataset.to_dict()} if plan.eval_dataset else {})

    def on_status(role: Role, values: dict[str, Any]) -> None:
        progress.update(role, values)
        login.update(progress.left_s)
        status.evaluated(progress.evaluated)
        status.step(progress.step, progress.note, progress.saved)

    def on_restart(sentence: str) -> None:
        held.confirm()  # a driver that was stopped for a while has lost its roles, and maybe the folder
        status.restarted(sentence)

    try:
        results = supervisor.supervise(
            launcher,
            PROGRAM,
            asked,
            params,
            optional=("evaluator",),
            policy=recovery.RestartPolicy(
                max_restarts=config.max_restarts,
                max_generations=config.max_generations,
                together=config.sync_replicas,
                stall_timeout_s=config.stall_timeout_s,
            ),
            on_status=on_status,
            on_restart=on_restart,
            on_slow=progress.slow,
            on_look=held.check,
            start_timeout_s=config.start_timeout_s,
            log_url=storage.join(config.train_dir, "logs"),
            ports=PortRange.parse(config.port_range),
            optional_grace_s=config.eval_last_s + _LAST_WORD_S,
        )
    finally:
        progress.close()
    found = completion.prove(config, asked, results)
    status.evaluated(newest_evaluation(results.get("evaluator:0", {})))
    return report_of(config.train_dir, found, results, time.monotonic() - started_s)


def already_finished(plan: TrainPlan) -> TrainReport:
    """Report a run whose folder already holds a valid checkpoint at its target.

    Where the driver died before it could say so, ``status.json`` is made to agree and the folder is released.

    Raises LeaseError: another run holds the folder.
    """
    former = lease.refuse_if_held(plan.config.train_dir)
    if not says_finished(plan.config.train_dir) or (former is not None and former.is_held):
        with lease.held(plan.config.train_dir) as held:
            return _nothing_to_do(plan, held)
    return _finished_before(plan)


def _nothing_to_do(plan: TrainPlan, held: lease.Lease) -> TrainReport:
    """Say of a folder that is ours that its run is finished."""
    if not says_finished(plan.config.train_dir):
        StatusFile(plan.config.train_dir, plan.config.max_number_of_steps, fence=held.fence).finish(plan.step)
    return _finished_before(plan)


def _finished_before(plan: TrainPlan) -> TrainReport:
    prefix = plan.found.prefix_url if plan.found else ""
    return TrainReport(plan.config.train_dir, prefix, plan.step, 0, 0.0, 0, is_new=False)


def _explain_unused(config: TrainConfig) -> None:
    if config.master:
        _log.warning(
            "--master %s is unused: Spark places the roles and each worker opens its own session", config.master
        )
    if config.task:
        _log.warning("--task %d is unused: each Spark task gets its own index", config.task)


def _newest(train_dir: str) -> checkpoint.Found | None:
    """Return what to resume from, None for a new run; raises CheckpointError for one that has lost its checkpoints."""
    found = checkpoint.newest_valid(train_dir)
    if found is None:
        restart.refuse_lost(train_dir)
    return found


def _settled(plan: TrainPlan, held: lease.Lease, application: str) -> TrainPlan:
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
    elif checkpoint.newest_step(train_dir) == plan.step:
        return plan
    found = _newest(train_dir)
    return dataclasses.replace(plan, found=found, is_exported=_is_exported(plan.config, found))


def _check_start(url: str, config: TrainConfig) -> None:
    """Refuse a warm start from nowhere; whether the variables fit is seen when the graph is built."""
    if config.restart and f"{url}/".startswith(f"{config.train_dir}/"):
        raise UsageError(
            f"--checkpoint_path {url} lies in --train_dir {config.train_dir}, which --restart clears; wanted a copy of"
            " it elsewhere"
        )
    if not storage.exists(url) and not storage.exists(f"{url}.index"):
        raise CheckpointError(f"--checkpoint_path {url}: got neither a folder nor a file there, nor {url}.index")


def _check_same_model(config: TrainConfig, dataset: shards.Dataset) -> None:
    """Refuse to resume into the folder of another net or another number of classes."""
    url = storage.join(config.train_dir, "run.json")
    if not storage.exists(url):
        return
    former = storage.read_json(url)
    if not isinstance(former, dict):
        raise CheckpointError(f"{url} is none that a run wrote: it holds no JSON object; wanted another --train_dir")
    wanted = {"model_name": config.model_name, "num_classes": dataset.num_classes - config.labels_offset}
    for key, value in wanted.items():
        if former.get(key) not in (None, value):
            raise CheckpointError(
                f"{config.train_dir} holds a run with {key} {former[key]!r}, this one has {value!r}; wanted another"
                " --train_dir or the same net and classes"
            )


def sized(config: Sized, spark: Any) -> Sized:
    """Settle the number of roles: as asked, else by --worker_replicas, else the executors submitted."""
    size = config.cluster_size
    if size is None and config.worker_replicas == 1:
        submitted = session.submitted_executors(spark)
        size = submitted if submitted is not None else config.num_roles
    if size is None:
        size = config.num_roles
    return dataclasses.replace(config, cluster_size=size)


def _write_run(config: TrainConfig, plan: TrainPlan) -> None:
    """Write ``run.json``: what ran, on what, with which versions."""
    run = {
        "schema": 1,
        "sparkcv": sparkcv.__version__,
        "versions": versions(),
        "model_name": config.model_name,
        "num_classes": plan.dataset.num_classes - config.labels_offset,
        "num_records": plan.dataset.num_records,
        "labels": list(plan.dataset.labels[config.labels_offset :]),
        "dataset_digest": plan.dataset.digest,
        "resumed_from_step": plan.step,
        "started": time.time(),
        "config": configs.to_dict(config),
    }
    storage.write_json(storage.join(config.train_dir, "run.json"), run)
