"""The training loop of one worker: its hooks, its session, and the steps until the target or a stop."""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Callable, Mapping
from typing import Any

import tensorflow.compat.v1 as tf

from sparkcv import logs
from sparkcv.config import TrainConfig
from sparkcv.errors import DataError, PreemptedError, StorageError
from sparkcv.inputs.batches import TrainBatches
from sparkcv.inputs.meter import Meter
from sparkcv.inputs.spool import Spool
from sparkcv.inputs.undecodable import UndecodableCheck
from sparkcv.roles import NodeContext
from sparkcv.rundir import checkpoint
from sparkcv.rundir.selection import Selection
from sparkcv.train import early_stopping, hooks, saver, sessions, step
from sparkcv.train.record import RunRecord
from sparkcv.train.replicas import Topology

__all__ = ["InputParts", "Restored", "TrainingLoop"]

_DRAIN_S = 10.0
_NOTE_CHARS = 500

_log = logs.get(__name__)


@dataclasses.dataclass(frozen=True)
class Restored:
    """A checkpoint to resume from: where it was found, and its prefix on this machine."""

    found: checkpoint.Found
    prefix: str


@dataclasses.dataclass(frozen=True)
class InputParts:
    """The input of a worker: shards on this machine, batches made of them, and the check of lost records."""

    spool: Spool
    batches: TrainBatches
    undecodable: UndecodableCheck


class TrainingLoop:
    """Runs the steps of a graph in one worker.

    Args:
        ctx: the process's context.
        config: the run's flags.
        topology: this worker's place in the cluster.
        data: what each checkpoint's manifest keeps of the data: its digest, and the names of the classes.
        fence: raises if the run's folder is another run's by now; called before each publication.
    """

    def __init__(
        self,
        ctx: NodeContext,
        config: TrainConfig,
        topology: Topology,
        data: Mapping[str, Any],
        fence: Callable[[], None],
    ) -> None:
        self._ctx, self._config, self._topology = ctx, config, topology
        self._data, self._fence = data, fence
        self._device = topology.host_device

    def run(self, graph: step.TrainGraph, inputs: InputParts, restored: Restored | None, target: str) -> dict[str, Any]:
        """Train to the target, saving and reporting on the way; return the worker's result.

        ``target`` is the session's, "" for a local one. Raise PreemptedError on the chief that was stopped, once it
        has saved.
        """
        batches, spool = inputs.batches, inputs.spool
        config, is_chief = self._config, self._topology.is_chief
        with tf.device(self._device), tf.control_dependencies([graph.train_op]):
            step_after = graph.global_step.read_value()
        fetches = {"step": step_after, "loss": graph.train_op, "learning_rate": graph.learning_rate}
        meter = Meter(graph.images_per_step)
        gauges = hooks.Inputs(spool, batches, inputs.undecodable, meter)
        stop = hooks.Stop(
            graph.global_step,
            step_after,
            config.max_number_of_steps,
            self._ctx.stop_requested,
            more_steps=2 if config.sync_replicas and not is_chief else 0,
        )
        tf_saver = saver.make_saver(self._device)

        def describe() -> dict[str, Any]:
            note: dict[str, Any] = {}
            if saving is not None:
                note = {"saved": saving.saved_step, **({"note": saving.note[:_NOTE_CHARS]} if saving.note else {})}
            return {"target": config.max_number_of_steps, **meter.report(), "rejected": gauges.num_rejected, **note}

        report = hooks.ReportProgress(fetches, describe, self._ctx.report)
        saving = self._saving(tf_saver, step_after, restored, report.report_saving) if is_chief else None
        every = [hooks.FiniteLoss(graph.train_op, step_after), gauges, report]
        early: early_stopping.EarlyStopping | early_stopping.EarlyStoppingTogether | None = None
        if config.early_stopping_evaluations is not None:
            early = self._early_stopping(step_after)
            every.append(early)
        if graph.sync_hook is not None:
            every += [graph.sync_hook, hooks.QuietSync(graph.sync_hook)]
        record = None
        if saving is not None:
            record = RunRecord(
                {**fetches, "recorded": {each.op.name: each for each in graph.recorded}},
                meter,
                self._ctx.scratch_dir,
                config.train_dir,
                every_steps=config.log_every_n_steps,
                summary_op=graph.summary_op,
                summaries_s=config.save_summaries_secs,
                samples=graph.samples,
            )
            every += [record, saving]
        creator = self._session_creator(graph, tf_saver, restored, target)
        try:
            with sessions.open_session(creator, [*every, stop]) as session:
                _run_steps(session, graph, inputs)
        finally:
            if record is not None:
                record.close()
        found = saving.found if saving is not None else None
        if found is not None:
            checkpoint.verify(found)
        elif restored is not None:
            found = restored.found
        last_step = found.step if found is not None else stop.step  # others went on while the chief saved
        stopped_early = early.reason if early is not None else ""
        if is_chief and stop.was_requested and not stopped_early:
            raise PreemptedError(
                f"told to stop at step {last_step}; {f'saved {found.prefix_url}' if found else 'nothing to save yet'};"
                f" the same command{' without --restart' if config.restart else ''} resumes"
            )
        spool.quarantine.close()
        rejects = [reject.to_dict() for reject in spool.quarantine.first(20)]
        return {
            "step": last_step,
            "checkpoint": found.prefix_url if found is not None else None,
            "images": meter.num_images,
            "seconds": round(meter.seconds, 3),
            "rejected": rejects,
            "num_rejected": gauges.num_rejected,
            **({"stopped_early": stopped_early} if stopped_early else {}),
        }

    def _early_stopping(self, step_after: Any) -> early_stopping.EarlyStopping | early_stopping.EarlyStoppingTogether:
        """Return the hook that ends the loop by the evaluations; workers that step together end together."""
        if not self._config.sync_replicas:
            return early_stopping.EarlyStopping(self._stop_reason)
        first_ps = "/job:ps/task:0" if self._topology.num_ps else ""
        return early_stopping.EarlyStoppingTogether(
            self._stop_reason, step_after, is_chief=self._topology.is_chief, device=f"{first_ps}/device:CPU:0"
        )

    def _stop_reason(self) -> str:
        """Return why the evaluations end the run, or "". What cannot be read now is looked at again later."""
        try:
            return Selection.read(self._config.train_dir).stop_reason(self._config.early_stopping_evaluations or 0)
        except StorageError as err:
            _log.warning("whether to stop early is looked for again: %s", err)
            return ""

    def _spared(self) -> frozenset[int] | None:
        """Return the steps of the older checkpoints that stay with ``--keep_best``; None while that is not known."""
        if not self._config.keep_best:
            return frozenset()
        try:
            return Selection.read(self._config.train_dir).spared
        except StorageError as err:
            _log.warning("no older checkpoint is deleted, for the best of them is not known: %s", err)
            return None

    def _saving(
        self, tf_saver: tf.train.Saver, step_after: Any, restored: Restored | None, before_save: Callable[[], None]
    ) -> hooks.SaveCheckpoints:
        config = self._config

        def save(session: tf.Session) -> checkpoint.Found:
            return saver.save(
                session,
                tf_saver,
                self._ctx.scratch_dir,
                config.train_dir,
                model_name=config.model_name,
                keep=config.keep_checkpoints,
                extra=self._data,
                fence=self._fence,
                spared=self._spared,
            )

        return hooks.SaveCheckpoints(
            save,
            step_after,
            start_step=restored.found.step if restored is not None else 0,
            every_s=config.save_interval_secs,
            every_steps=config.save_interval_steps,
            max_missed=config.max_missed_saves,
            before_save=before_save,
        )

    def _session_creator(
        self, graph: step.TrainGraph, tf_saver: tf.train.Saver, restored: Restored | None, target: str
    ) -> sessions.Once:
        """Let the chief initialize or restore, and the others wait for it, no longer than --start_timeout_s."""
        init_fn = graph.init_fn
        scaffold = tf.train.Scaffold(
            saver=tf_saver, init_fn=None if init_fn is None else lambda _, session: init_fn(session)
        )
        config, timeout_s = sessions.config_of(self._ctx, self._config), self._config.start_timeout_s
        if not self._topology.is_chief:
            return sessions.Once(sessions.Awaiting(scaffold, target, config, timeout_s), timeout_s)
        prefix = restored.prefix if restored is not None else None
        chief = sessions.Chief(scaffold, target, config, prefix, comes_back=bool(target) and self._ctx.attempt > 0)
        return sessions.Once(chief, timeout_s, then=self._forget_restored)

    def _forget_restored(self) -> None:
        for name in os.listdir(self._ctx.scratch_dir):
            if name.startswith("restored-"):
                shutil.rmtree(os.path.join(self._ctx.scratch_dir, name), ignore_errors=True)


def _run_steps(session: Any, graph: step.TrainGraph, inputs: InputParts) -> None:
    """Run steps until a hook ends it; the input ends before the session, whose threads may wait in it."""
    try:
        while not session.should_stop():
            session.run(graph.train_op)
        inputs.undecodable.drain(_DRAIN_S)
    except tf.errors.OutOfRangeError as err:
        inputs.batches.check()
        raise DataError("the training data ended, though training repeats it: the spool gives no more records") from err
    finally:
        inputs.undecodable.close()
        inputs.spool.end()
