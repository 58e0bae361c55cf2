"""A training run: the roles run, the end proven, the model exported."""

import dataclasses
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from sparkcv import config as configs
from sparkcv import doctor, logs, storage
from sparkcv.cluster import recovery, supervisor
from sparkcv.cluster.observer import RunObserver
from sparkcv.cluster.run_spec import RunSpec
from sparkcv.config.port_range import PortRange
from sparkcv.config.train import STOCK_LAUNCHER
from sparkcv.diagnosis.slowness import Straggler
from sparkcv.driver import completion, final_export, statistics_checks
from sparkcv.driver.progress import TrainProgress, newest_evaluation
from sparkcv.driver.train_plan import TrainPlan, describe, prepare, settled, sized
from sparkcv.driver.train_report import TrainReport, report_of
from sparkcv.launchers import Launcher
from sparkcv.launchers.barrier import BarrierLauncher
from sparkcv.launchers.tfos import TfosLauncher
from sparkcv.roles import Role, roles
from sparkcv.rundir import checkpoint, lease
from sparkcv.rundir.folder import RunFolder
from sparkcv.rundir.status import StatusFile
from sparkcv.tokens import expiry

__all__ = ["TrainPlan", "TrainReport", "prepare", "run", "run_on"]

PROGRAM = "sparkcv.programs.train:main"

_LAST_WORD_S = 10.0
_log = logs.get(__name__)


def run(spark: Any, plan: TrainPlan) -> TrainReport:
    """Run the roles of ``plan`` on the executors of ``spark`` until the target, prove what they left, and export it.

    A plan with nothing left to do is reported without Spark, which may be None then.

    Raises:
        ClusterError: the executors cannot hold the roles, or a role died; the message is the report.
        CheckpointError: the roles ended but the last checkpoint is not whole or not at the target.
        LeaseError: another run holds the run folder, or took it over.
        ModelError, StorageError: the export that was asked for failed.
    """
    if plan.is_finished:
        return _already_finished(plan)
    plan = dataclasses.replace(plan, config=sized(plan.config, spark))
    kind = TfosLauncher if plan.config.launcher == STOCK_LAUNCHER else BarrierLauncher
    return run_on(
        kind(spark),
        plan,
        lambda: doctor.check_start(spark, plan.config, plan.dataset),
        application=spark.sparkContext.applicationId,
    )


def run_on(
    launcher: Launcher,
    plan: TrainPlan,
    check_start: Callable[[], object] = lambda: None,
    *,
    application: str = "",
    hold: Callable[..., AbstractContextManager[lease.Lease]] = lease.held,
) -> TrainReport:
    """Do what :func:`run` does with any launcher; ``check_start`` may refuse what its hosts cannot do.

    ``application`` is Spark's name of it; ``hold`` gives the lease of the run folder.
    """
    with hold(plan.config.train_dir, application=application) as held:
        plan = settled(plan, held, application)
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
            if plan.data_change and plan.step:
                _log.warning("%s is resumed, and %s", config.train_dir, plan.data_change)
            config = statistics_checks.keep(config)
            plan = dataclasses.replace(plan, config=config)
            describe(plan).write(config.train_dir)
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


class _Observer(RunObserver):
    """Brings what the roles say to the progress line and ``status.json``, and looks after the hold on the folder."""

    def __init__(self, progress: TrainProgress, status: StatusFile, held: lease.Lease) -> None:
        self._progress, self._status, self._held = progress, status, held
        self._login = expiry.ExpiryWatch()

    def on_status(self, role: Role, status: dict[str, Any]) -> None:
        self._progress.update(role, status)
        self._login.update(self._progress.left_s)
        self._status.evaluated(self._progress.evaluated)
        self._status.step(self._progress.step, self._progress.note, self._progress.saved)

    def on_restart(self, sentence: str) -> None:
        self._held.confirm()  # a driver that was stopped for a while has lost its roles, and maybe the folder
        self._status.restarted(sentence)

    def on_slow(self, stragglers: Sequence[Straggler]) -> None:
        self._progress.slow(stragglers)

    def on_look(self) -> None:
        self._held.check()


def _run_roles(launcher: Launcher, plan: TrainPlan, status: StatusFile, held: lease.Lease) -> TrainReport:
    """Run the roles to their end and prove it."""
    config, started_s = plan.config, time.monotonic()
    asked = roles(config.num_ps, config.num_workers, config.num_evaluators)
    progress = TrainProgress(config.max_number_of_steps)

    def params(generation: int) -> dict[str, Any]:
        """Return what roles get; a token of their own fences a chief that was cut off and does not know yet."""
        token = held.advance() if generation else held.token
        given = {"config": configs.to_dict(config), "dataset": plan.dataset.to_dict(), "lease": token}
        return given | ({"eval_dataset": plan.eval_dataset.to_dict()} if plan.eval_dataset else {})

    spec = RunSpec(
        plan.program or PROGRAM,
        asked,
        params,
        optional=("evaluator",),
        policy=recovery.RestartPolicy(
            max_restarts=config.max_restarts,
            max_generations=config.max_generations,
            together=config.sync_replicas,
            stall_timeout_s=config.stall_timeout_s,
        ),
        start_timeout_s=config.start_timeout_s,
        log_url=storage.join(config.train_dir, "logs"),
        ports=PortRange.parse(config.port_range),
        optional_grace_s=config.eval_last_s + _LAST_WORD_S,
        standby=config.standby and config.max_restarts > 0,
        servers=("ps",),
    )
    try:
        results = supervisor.supervise(launcher, spec, _Observer(progress, status, held))
    finally:
        progress.close()
    found = completion.prove(config, asked, results)
    status.evaluated(newest_evaluation(results.get("evaluator:0", {})))
    report = report_of(config.train_dir, found, results, time.monotonic() - started_s)
    return dataclasses.replace(report, augment=config.augment or "")


def _already_finished(plan: TrainPlan) -> TrainReport:
    """Report a run whose folder already holds a valid checkpoint at its target.

    Where the driver died before it could say so, ``status.json`` is made to agree and the folder is released.

    Raises LeaseError: another run holds the folder.
    """
    folder = RunFolder.inspect(plan.config.train_dir)
    former = folder.holder
    if not folder.is_finished or (former is not None and former.is_held):
        with lease.held(plan.config.train_dir) as held:
            return _nothing_to_do(plan, held)
    return _finished_before(plan)


def _nothing_to_do(plan: TrainPlan, held: lease.Lease) -> TrainReport:
    """Say of a folder that is ours that its run is finished."""
    if plan.adopts:
        plan = settled(plan, held, "")
    if not RunFolder.inspect(plan.config.train_dir).is_finished:
        StatusFile(plan.config.train_dir, plan.config.max_number_of_steps, fence=held.fence).finish(plan.step)
    return _finished_before(plan)


def _finished_before(plan: TrainPlan) -> TrainReport:
    prefix = plan.found.prefix_url if plan.found else ""
    return TrainReport(
        plan.config.train_dir,
        prefix,
        plan.step,
        0,
        0.0,
        0,
        is_new=False,
        stopped_early=plan.stopped_early,
        data_change=plan.data_change,
    )
