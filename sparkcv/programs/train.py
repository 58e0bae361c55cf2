"""The training program: what a ps or worker process of a run does from its start to its result.

Without ps it is one ordinary TensorFlow process with the same graph, input and checkpoints.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import threading
import warnings
from collections.abc import Callable
from typing import Any

from sparkcv.nets.slim import tf  # first: whoever imports TensorFlow without it has pandas come along

# isort: split
from sparkcv import config as configs
from sparkcv import logs, nets, preprocess, storage
from sparkcv.config import TrainConfig
from sparkcv.errors import DataError, PreemptedError, UsageError
from sparkcv.inputs.batches import TrainBatches, train_batches
from sparkcv.inputs.filename_queue import share
from sparkcv.inputs.meter import Meter
from sparkcv.inputs.quarantine import Quarantine
from sparkcv.inputs.spool import Spool
from sparkcv.inputs.undecodable import TrialDecoder, UndecodableCheck
from sparkcv.inputs.validate import ImageCheck
from sparkcv.programs import evaluator
from sparkcv.records.assignment import Assignment, assign
from sparkcv.records.shards import Dataset
from sparkcv.roles import NodeContext
from sparkcv.rundir import checkpoint, checkpoint_publication, lease, restart
from sparkcv.train import hooks, saver, sessions, step, warmstart
from sparkcv.train.record import RunRecord
from sparkcv.train.replicas import Topology

__all__ = ["main"]

_POLL_S = 0.2
_DRAIN_S = 10.0
_NOTE_CHARS = 500
_log = logs.get(__name__)


def main(ctx: NodeContext) -> dict[str, Any]:
    """Run one role of a training run: ``ps`` serves until told to stop, ``worker`` trains, ``evaluator`` follows.

    ``ctx.params`` holds ``config`` (a TrainConfig) and ``dataset`` (a Dataset), both as dicts, and ``lease``, the
    token without which nothing is published (if it is there); for an evaluator, whose part is
    :mod:`sparkcv.programs.evaluator`, also ``eval_dataset``. Returns, for a worker, ``step``, ``checkpoint`` (URL of
    the last one; None but for the chief), ``images`` and ``seconds`` (this worker's), ``num_rejected`` and the first 20
    ``rejected``.

    Raises PreemptedError on the chief that was told to stop, after saving; DataError, CheckpointError, ClusterError and
    StorageError with a sentence for the user.
    """
    tf.logging.set_verbosity(tf.logging.ERROR)
    warnings.filterwarnings("ignore", message=".* is deprecated and will be removed", category=UserWarning)
    config = configs.from_dict(TrainConfig, ctx.params["config"])
    if ctx.role.job == "ps":
        return _serve(ctx, config)
    if ctx.role.job == "evaluator":
        return evaluator.main(ctx)
    if ctx.role.job != "worker":
        raise UsageError(f"a training run has the roles ps, worker and evaluator, not {ctx.role}")
    return _Worker(ctx, config, Dataset.from_dict(ctx.params["dataset"])).run()


def _serve(ctx: NodeContext, config: TrainConfig) -> dict[str, Any]:
    """Keep a ps until the driver says that all workers are done."""
    settings = sessions.session_config(ctx, config.num_intra_op_threads, use_gpus=config.num_gpus != 0)
    serving = sessions.server(ctx, settings)
    _log.info("serving at %s", serving.target)
    pause = threading.Event()
    while not ctx.stop_requested():
        pause.wait(_POLL_S)
    return {}


@dataclasses.dataclass(frozen=True)
class _Restored:
    """A checkpoint to resume from, on this machine."""

    found: checkpoint.Found
    prefix: str


class _Worker:
    """One worker's run: its parts in the order in which they are needed, each closed by who opened it."""

    def __init__(self, ctx: NodeContext, config: TrainConfig, dataset: Dataset) -> None:
        self._ctx, self._config, self._dataset = ctx, config, dataset
        self._topology = Topology(
            num_ps=len(ctx.cluster.get("ps", [])),
            num_workers=len(ctx.cluster.get("worker", [""])),
            task=ctx.role.index,
        )
        self._fence = lease.fence(config.train_dir, ctx.params.get("lease"))
        self._device = f"{self._topology.worker_device}/device:CPU:0"
        net = nets.get(config.model_name)
        self._image_size = config.train_image_size or net.default_image_size
        self._preprocessing = preprocess.get(config.preprocessing_name or net.preprocessing)

    def run(self) -> dict[str, Any]:
        """Train from the newest valid checkpoint, or from the start, to the target."""
        restored = self._restore() if self._topology.is_chief else None
        target = ""
        if self._topology.num_ps:
            sessions.await_ps(self._ctx.cluster["ps"], self._config.start_timeout_s)
            target = sessions.server(self._ctx, self._session_config()).target
        assignments = assign(self._dataset.shards, self._topology.task, self._topology.num_workers)
        with tf.Graph().as_default(), self._spool(assignments) as spool:
            batches = self._batches(spool, assignments)
            graph = self._graph(batches, restored)
            with contextlib.closing(UndecodableCheck(spool, self._decoder, batches.in_flight())) as audit:
                return self._train(graph, batches, spool, audit, restored, target)

    def _restore(self) -> _Restored | None:
        """Clear away what an interrupted save left and fetch the newest valid checkpoint."""
        url = self._config.train_dir
        self._fence()
        for name in checkpoint_publication.clean(url):
            _log.warning("deleted %s, left by an interrupted save", storage.join(url, name))
        got = checkpoint.fetch_newest(url, self._ctx.scratch_dir)
        if got is None:
            restart.refuse_lost(url)
            _log.info("no checkpoint in %s: starting at step 0", url)
            return None
        for skipped, reason in got[0].skipped:
            _log.warning("skipped the checkpoint of step %d: %s", skipped, reason)
        _log.info("resuming from %s", got[0].prefix_url)
        return _Restored(*got)

    def _spool(self, assignments: list[Assignment]) -> Spool:
        """Open this worker's spool; a resumed run goes on with the order of later epochs."""
        config, role = self._config, self._ctx.role
        total = share(assignments) or self._dataset.num_records // self._topology.num_workers
        url = storage.join(config.train_dir, "quarantine", f"{role.job}-{role.index}.jsonl")
        return Spool(
            assignments,
            self._ctx.scratch_dir,
            max_bytes=config.spool_bytes,
            seed=config.seed,
            check=ImageCheck(self._dataset.num_classes, config.labels_offset, config.max_pixels),
            first_epoch=self._images_before() // max(1, self._dataset.num_records),
            num_readers=config.num_readers,
            parallel=config.num_fetchers,
            quarantine=Quarantine(total, config.bad_record_budget, url),
        )

    def _images_before(self) -> int:
        """Estimate how many images the run has seen already; only the order of shards depends on it."""
        steps = checkpoint.newest_step(self._config.train_dir)
        return steps * self._config.batch_size * self._config.num_clones

    def _batches(self, spool: Spool, assignments: list[Assignment]) -> TrainBatches:
        shard_bytes = sum(part.shard.num_bytes / part.stride for part in assignments)
        return train_batches(
            spool,
            self._config,
            self._preprocessing,
            image_size=self._image_size,
            device=self._device,
            seed=self._config.seed + self._topology.task,
            record_bytes=shard_bytes / max(1, spool.quarantine.total),
        )

    def _decoder(self) -> TrialDecoder:
        return TrialDecoder(self._preprocessing, self._image_size, self._config.use_grayscale)

    def _graph(self, batches: TrainBatches, restored: _Restored | None) -> step.TrainGraph:
        """Build the step; a warm start counts only where there is nothing to resume from."""
        warm_start = None
        if self._config.checkpoint_path and self._topology.is_chief:
            if restored is None:
                warm_start = warmstart.fetch(self._config.checkpoint_path, self._ctx.scratch_dir)
            else:
                _log.info("--checkpoint_path is unused: %s has a checkpoint", self._config.train_dir)
        graph = step.build(
            self._config,
            num_records=self._dataset.num_records,
            num_classes=self._dataset.num_classes - self._config.labels_offset,
            next_batch=batches.next_batch,
            topology=self._topology,
            warm_start=warm_start,
        )
        if restored is not None:
            saver.check_fits(
                restored.prefix, restored.found.prefix_url, self._config.model_name, restored.found.manifest
            )
        return graph

    def _train(
        self,
        graph: step.TrainGraph,
        batches: TrainBatches,
        spool: Spool,
        audit: UndecodableCheck,
        restored: _Restored | None,
        target: str,
    ) -> dict[str, Any]:
        config, is_chief = self._config, self._topology.is_chief
        with tf.device(self._device), tf.control_dependencies([graph.train_op]):
            step_after = graph.global_step.read_value()
        fetches = {"step": step_after, "loss": graph.train_op, "learning_rate": graph.learning_rate}
        meter = Meter(graph.images_per_step)
        inputs = hooks.Inputs(spool, batches, audit, meter)
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
            return {"target": config.max_number_of_steps, **meter.report(), "rejected": inputs.num_rejected, **note}

        report = hooks.ReportProgress(fetches, describe, self._ctx.report)
        saving = self._saving(tf_saver, step_after, restored, report.say_saving) if is_chief else None
        every = [hooks.FiniteLoss(graph.train_op, step_after), inputs, report]
        if graph.sync_hook is not None:
            every += [graph.sync_hook, hooks.QuietSync(graph.sync_hook)]
        record = None
        if saving is not None:
            record = RunRecord(
                fetches,
                meter,
                self._ctx.scratch_dir,
                config.train_dir,
                every_steps=config.log_every_n_steps,
                summary_op=graph.summary_op,
                summaries_s=config.save_summaries_secs,
            )
            every += [record, saving]
        creator = self._session_creator(graph, tf_saver, restored, target)
        try:
            with sessions.open_session(creator, [*every, stop]) as session:
                _run_steps(session, graph, batches, audit, spool)
        finally:
            if record is not None:
                record.close()
        found = saving.found if saving is not None else None
        if found is not None:
            checkpoint.verify(found)
        elif restored is not None:
            found = restored.found
        stands_at = found.step if found is not None else stop.step  # others went on while the chief saved
        if is_chief and stop.was_told:
            raise PreemptedError(
                f"told to stop at step {stands_at}; {f'saved {found.prefix_url}' if found else 'nothing to save yet'};"
                f" the same command{' without --restart' if config.restart else ''} resumes"
            )
        spool.quarantine.close()
        rejects = [reject.to_dict() for reject in spool.quarantine.first(20)]
        return {
            "step": stands_at,
            "checkpoint": found.prefix_url if found is not None else None,
            "images": meter.num_images,
            "seconds": round(meter.seconds, 3),
            "rejected": rejects,
            "num_rejected": inputs.num_rejected,
        }

    def _saving(
        self, tf_saver: tf.train.Saver, step_after: Any, restored: _Restored | None, tell: Callable[[], None]
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
                extra={"dataset_digest": self._dataset.digest},
                fence=self._fence,
            )

        return hooks.SaveCheckpoints(
            save,
            step_after,
            start_step=restored.found.step if restored is not None else 0,
            every_s=config.save_interval_secs,
            every_steps=config.save_interval_steps,
            max_missed=config.max_missed_saves,
            tell=tell,
        )

    def _session_config(self) -> tf.ConfigProto:
        config = self._config
        return sessions.session_config(self._ctx, config.num_intra_op_threads, use_gpus=config.num_gpus != 0)

    def _session_creator(
        self, graph: step.TrainGraph, tf_saver: tf.train.Saver, restored: _Restored | None, target: str
    ) -> sessions.Once:
        """Let the chief initialize or restore, and the others wait for it, no longer than --start_timeout_s."""
        init_fn = graph.init_fn
        scaffold = tf.train.Scaffold(
            saver=tf_saver, init_fn=None if init_fn is None else lambda _, session: init_fn(session)
        )
        config, timeout_s = self._session_config(), self._config.start_timeout_s
        if not self._topology.is_chief:
            return sessions.Once(sessions.Awaiting(scaffold, target, config, timeout_s), timeout_s)
        prefix = restored.prefix if restored is not None else None
        chief = sessions.Chief(scaffold, target, config, prefix, comes_back=bool(target) and self._ctx.attempt > 0)
        return sessions.Once(chief, timeout_s, then=self._forget_restored)

    def _forget_restored(self) -> None:
        for name in os.listdir(self._ctx.scratch_dir):
            if name.startswith("restored-"):
                shutil.rmtree(os.path.join(self._ctx.scratch_dir, name), ignore_errors=True)


def _run_steps(
    session: Any, graph: step.TrainGraph, batches: TrainBatches, audit: UndecodableCheck, spool: Spool
) -> None:
    """Run steps until a hook ends it; the input ends before the session, whose threads may wait in it."""
    try:
        while not session.should_stop():
            session.run(graph.train_op)
        audit.drain(_DRAIN_S)
    except tf.errors.OutOfRangeError as err:
        batches.check()
        raise DataError("the training data ended, though training repeats it: the spool gives no more records") from err
    finally:
        audit.close()
        spool.end()
