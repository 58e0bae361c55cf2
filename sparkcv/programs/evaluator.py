"""The evaluator of a training run: evaluates every new checkpoint while the others train.

It only ever reads what the run writes. A checkpoint that is pruned while it is fetched is passed over; one that was
fetched lies on this machine, where nobody prunes it. Asked to stop, which is when training is done, it has
``--eval_last_s`` for the last checkpoint.
"""

from __future__ import annotations

import dataclasses
import gc
import logging
import math
import tempfile
import threading
import time
import warnings
from typing import Any

from sparkcv.nets.slim import tf  # first: whoever imports TensorFlow without it has pandas come along

# isort: split
from sparkcv import config as configs
from sparkcv import logs, nets, storage
from sparkcv.config import EvalConfig, TrainConfig
from sparkcv.errors import CheckpointError, ClusterError, MissingFileError, StorageError, UnavailableError
from sparkcv.evaluate import events
from sparkcv.evaluate.history import DIR, History, HistoryRow
from sparkcv.evaluate.merge import merge
from sparkcv.evaluate.outcome import Outcome
from sparkcv.evaluate.task import Task
from sparkcv.programs import evaluate
from sparkcv.records.shards import Dataset
from sparkcv.roles import NodeContext
from sparkcv.rundir import checkpoint, lease

__all__ = ["eval_config", "main"]

_LOOK_S = 2.0
_POLL_S = 0.2
_log = logs.get(__name__)


def main(ctx: NodeContext) -> dict[str, Any]:
    """Evaluate the checkpoints of a run until it is stopped.

    ``ctx.params`` holds ``config`` (a TrainConfig) and ``eval_dataset`` (a Dataset), both as dicts. Returns
    ``evaluated_step`` and ``accuracy`` of the newest, ``best_step`` and ``best_accuracy``; all None if there was none.

    Raise DataError, BudgetError and CheckpointError for data, or a net, that cannot be evaluated, and LeaseError in a
    folder that another run took over.
    """
    tf.logging.set_verbosity(tf.logging.ERROR)
    warnings.filterwarnings("ignore", message=".* is deprecated and will be removed", category=UserWarning)
    config = configs.from_dict(TrainConfig, ctx.params["config"])
    return _Evaluator(ctx, config, Dataset.from_dict(ctx.params["eval_dataset"])).run()


def eval_config(config: TrainConfig) -> EvalConfig:
    """Return the evaluation's flags that follow from a training run's: the same net and pictures, another split."""
    batch_size, num_batches = config.batch_size, None
    if config.eval_max_images is not None:
        batch_size = min(batch_size, config.eval_max_images)
        num_batches = math.ceil(config.eval_max_images / batch_size)  # the last one may be cut
    return EvalConfig(
        checkpoint_path=config.train_dir,
        eval_dir=storage.join(config.train_dir, DIR),
        train_dir=config.train_dir,
        dataset_dir=str(config.dataset_dir),
        dataset_name=config.dataset_name,
        dataset_split_name=config.eval_split_name,
        labels_offset=config.labels_offset,
        model_name=config.model_name,
        preprocessing_name=config.preprocessing_name,
        batch_size=batch_size,
        eval_image_size=config.train_image_size,
        normalization=config.normalization,
        statistics=config.statistics,
        use_grayscale=config.use_grayscale,
        jpeg_arithmetic=config.jpeg_arithmetic,
        exif_orientation=config.exif_orientation,
        image_feature=config.image_feature,
        label_feature=config.label_feature,
        num_preprocessing_threads=config.eval_num_threads,
        max_num_batches=num_batches,
        moving_average_decay=config.moving_average_decay,
        num_worst=0,
        bad_record_budget=config.bad_record_budget,
        max_pixels=config.max_pixels,
        cluster_size=1,
        num_intra_op_threads=config.eval_num_threads,
    )


class _Evaluator:
    """One life of the evaluator; what former ones found is in the run's history."""

    def __init__(self, ctx: NodeContext, config: TrainConfig, dataset: Dataset) -> None:
        self._ctx, self._dataset = ctx, dataset
        self._train_dir, self._last_s = config.train_dir, config.eval_last_s
        self._spool_bytes, self._max_examples = config.spool_bytes, config.eval_max_images
        self._config = eval_config(config)
        self._image_size = config.train_image_size or nets.get(config.model_name).default_image_size
        of = {"split": dataset.split, "dataset_digest": dataset.digest, "max_images": config.eval_max_images}
        self._history = History(config.train_dir, of)
        self._fence = lease.fence(config.train_dir, ctx.params.get("lease"))
        self._keeps_best = config.keep_best
        self._is_heard = config.keep_best or config.early_stopping_evaluations is not None
        self._seen: set[int] = set()
        self._is_late = False
        self._deadline_s: float | None = None
        self._last_step: int | None = None  # looked for at the stop; 0 where there is none
        self._pause = threading.Event()

    def run(self) -> dict[str, Any]:
        """Evaluate checkpoint after checkpoint, and after the stop the last one."""
        where = f"{self._dataset.name}/{self._dataset.split}"
        _log.info("evaluating each new checkpoint of %s on %s", self._train_dir, where)
        self._ctx.report(self._status())
        while not self._is_stopping():
            pending = [step for step in self._steps() if step not in self._seen]
            if not pending:
                self._wait()
                continue
            if self._is_late:  # too slow for all of them: only the newest is sure to be there for a while
                self._seen.update(pending[:-1])
            self._evaluate_step(pending[-1] if self._is_late else pending[0])  # in order of step, as curves are drawn
        while self._last_step != 0 and self._last_step not in self._seen:
            if self._last_step is not None:
                self._evaluate_step(self._last_step)
            elif (newest := self._newest()) is not None:
                self._last_step = newest
            else:
                self._wait()
            if self._has_no_time():
                break
        return self._status()

    def _evaluate_step(self, step: int) -> None:
        """Evaluate the checkpoint of ``step``, unless that was done or it is gone."""
        with tempfile.TemporaryDirectory(prefix="evaluating-", dir=self._ctx.scratch_dir) as folder:
            try:
                self._tell(evaluating=step)  # first: from now on nobody deletes it
                found = checkpoint.at_step(self._train_dir, step)
                local = None if self._history.has(found) else checkpoint.fetch(found, folder)
            except UnavailableError as err:
                _log.warning("the checkpoint of step %d is looked for again: %s", step, err)
                self._wait()
                return
            except (CheckpointError, StorageError) as err:
                _log.info("the checkpoint of step %d is passed over: %s", step, err)
                self._is_late = True
                self._seen.add(step)
                return
            outcome = self._evaluate(found, local, folder) if local is not None else None
            self._seen.add(step)
            self._is_late = False
        if outcome is not None:
            self._keep(found, outcome)
        gc.collect()  # a graph is full of cycles, and the next one should not have to stand beside it

    def _evaluate(self, found: checkpoint.Found, local: str, folder: str) -> Outcome | None:
        """Return what the evaluation found; None if there was no time left for it, or its data did not come."""
        task = Task(
            self._config,
            self._dataset,
            found,
            self._image_size,
            num_evaluators=1,
            parts_url="",
            max_examples=self._max_examples,
        )
        started_s = time.monotonic()
        context = dataclasses.replace(
            self._ctx,
            scratch_dir=folder,
            report=lambda status: self._ctx.report({**self._status(), "evaluating": {"at": found.step, **status}}),
            stop_requested=lambda: self._must_leave(found.step),
        )
        try:
            part = evaluate.evaluate(context, task, local, use_gpus=False, spool_bytes=self._spool_bytes)
        except (ClusterError, StorageError) as err:
            if isinstance(err, ClusterError) and not self._must_leave(found.step):
                raise
            is_left = isinstance(err, ClusterError) and found.step < (self._last_step or 0)
            level = logging.INFO if is_left else logging.WARNING  # left for the last one, as it should
            _log.log(level, "the checkpoint of step %d was not evaluated to the end: %s", found.step, err)
            return None
        return merge(
            task,
            [part],
            run_name=storage.basename(self._train_dir),
            seconds=time.monotonic() - started_s,
            versions={},
        )

    def _keep(self, found: checkpoint.Found, outcome: Outcome) -> None:
        """Write the row, the best and the event file; a storage that is full costs these, and not the evaluator."""
        row = HistoryRow.of(outcome, found)
        _log.info(
            "step %d: accuracy %.4f, recall@5 %.4f on %d examples in %.1f s",
            row.step, row.accuracy, row.recall_5, row.num_examples, row.seconds,
        )  # fmt: skip
        scalars = {"eval/Accuracy": row.accuracy, "eval/Recall_5": row.recall_5}
        if row.loss is not None:
            scalars["eval/Loss"] = row.loss
        self._fence()  # nothing is written into a folder that is another run's by now
        try:
            events.write_scalars(storage.join(self._train_dir, DIR), row.step, scalars, wall_time_s=time.time())
            self._history.add(row, found, is_kept=not self._keeps_best or self._is_there(found))
            self._tell()
        except StorageError as err:
            _log.warning("the evaluation at step %d was not written: %s", row.step, err)
        self._ctx.report(self._status())

    def _tell(self, evaluating: int | None = None) -> None:
        """Tell those who train, if they listen, of the best checkpoint and of the one that is evaluated now."""
        if not self._is_heard:
            return
        self._fence()
        try:
            dataclasses.replace(self._history.selection, evaluating=evaluating).write(self._train_dir)
        except StorageError as err:
            _log.warning("the selection of checkpoints was not written: %s", err)

    def _is_there(self, found: checkpoint.Found) -> bool:
        """Return whether a checkpoint was spared: it may have been about to be deleted when its evaluation began."""
        try:
            return checkpoint.at_step(self._train_dir, found.step).manifest == found.manifest
        except (CheckpointError, MissingFileError):
            return False

    def _status(self) -> dict[str, Any]:
        """Return the newest accuracy and the best; no "step", from which the driver computes the rate of training."""
        newest, best = self._history.newest, self._history.best
        return {
            "evaluated_step": newest.step if newest else None,
            "accuracy": newest.accuracy if newest else None,
            "best_step": best["step"] if best else None,
            "best_accuracy": best["value"] if best else None,
        }

    def _steps(self) -> list[int]:
        try:
            return checkpoint.steps(self._train_dir)
        except StorageError as err:
            _log.warning("the checkpoints are looked for again: %s", err)
            return []

    def _newest(self) -> int | None:
        """Return the newest checkpoint's step, 0 without one, None where the storage does not answer."""
        try:
            return max(checkpoint.steps(self._train_dir), default=0)
        except StorageError as err:
            _log.warning("the last checkpoint is looked for again: %s", err)
            return None

    def _wait(self) -> None:
        """Wait until it is time to look again, or the stop comes."""
        look_s, was_stopping = time.monotonic() + _LOOK_S, self._is_stopping()
        while time.monotonic() < look_s and self._is_stopping() == was_stopping and not self._has_no_time():
            self._pause.wait(_POLL_S)

    def _is_stopping(self) -> bool:
        """Return whether a stop was requested; the first time, start the clock for the last checkpoint."""
        if self._deadline_s is None and self._ctx.stop_requested():
            self._deadline_s = time.monotonic() + self._last_s
            self._last_step = self._newest()
        return self._deadline_s is not None

    def _must_leave(self, step: int) -> bool:
        """Return whether the evaluation of ``step`` must end, for the last checkpoint's or for lack of time."""
        if not self._is_stopping():
            return False
        return step < (self._last_step or 0) or self._has_no_time()

    def _has_no_time(self) -> bool:
        return self._deadline_s is not None and time.monotonic() > self._deadline_s
