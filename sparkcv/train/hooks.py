"""Hooks round a training step, one for each concern; the loop itself only runs steps.

Their order in a session matters: a loss that is not finite must stop the run before anything is reported or saved.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import tensorflow.compat.v1 as tf

from sparkcv import logs
from sparkcv.errors import DataError, StorageError, UnavailableError
from sparkcv.inputs.batches import TrainBatches
from sparkcv.inputs.meter import Meter
from sparkcv.inputs.spool import Spool
from sparkcv.inputs.undecodable import UndecodableCheck
from sparkcv.rundir import checkpoint

__all__ = ["FiniteLoss", "Inputs", "QuietSync", "ReportProgress", "SaveCheckpoints", "Stop"]

_log = logs.get(__name__)


class FiniteLoss(tf.train.SessionRunHook):
    """Ends the run with a DataError at the first loss that is NaN or infinite: such a state is never saved."""

    def __init__(self, loss: Any, step: Any) -> None:
        self._fetches = {"loss": loss, "step": step}

    def before_run(self, run_context: Any) -> Any:  # noqa: D102 - tf.train.SessionRunHook says what these do
        return tf.train.SessionRunArgs(self._fetches)

    def after_run(self, run_context: Any, run_values: Any) -> None:  # noqa: D102
        loss = float(run_values.results["loss"])
        if not math.isfinite(loss):
            raise DataError(
                f"the loss is {loss} at step {int(run_values.results['step'])}: the run diverged and this state is not"
                " saved; a lower --learning_rate or other data may help"
            )


class Inputs(tf.train.SessionRunHook):
    """Passes the gauges of each step to the meter and lost records to their check; raises the input's errors."""

    def __init__(self, spool: Spool, batches: TrainBatches, undecodable: UndecodableCheck, meter: Meter) -> None:
        self._spool, self._batches, self._undecodable, self._meter = spool, batches, undecodable, meter

    def before_run(self, run_context: Any) -> Any:  # noqa: D102
        return tf.train.SessionRunArgs(self._batches.fetches)

    def after_run(self, run_context: Any, run_values: Any) -> None:  # noqa: D102
        counts, ready = self._batches.read(run_values.results)
        self._undecodable.notice(counts.lost, counts.tried)
        self._batches.check()
        if self._undecodable.is_complete and (unnamed := self._undecodable.unnamed):
            self._spool.quarantine.check(unnamed)
        self._meter.step(
            self._spool.gauge(),
            self._batches.common_gauge(counts),
            (ready, self._batches.prefetch_capacity),
            waited_s=self._batches.waited_s(run_values.results),
            reader_waited_s=self._spool.waited_s,
        )

    @property
    def num_rejected(self) -> int:
        """Records that could not be used, whether they can be named or not."""
        return self._spool.quarantine.count + self._undecodable.unnamed


class ReportProgress(tf.train.SessionRunHook):
    """Sends the worker's status every ``interval_s`` seconds, and at the first step and the end; logs the first."""

    def __init__(
        self, fetches: dict[str, Any], describe: Callable[[], dict[str, Any]], send: Callable[[dict[str, Any]], None]
    ) -> None:
        self._fetches, self._describe, self._send = fetches, describe, send
        self._interval_s = 2.0
        self._next_s = 0.0
        self._values: dict[str, Any] = {}

    def before_run(self, run_context: Any) -> Any:  # noqa: D102
        return tf.train.SessionRunArgs(self._fetches)

    def after_run(self, run_context: Any, run_values: Any) -> None:  # noqa: D102
        is_first = not self._values
        self._values = {name: value.item() for name, value in run_values.results.items()}
        if is_first:  # the moment from which on a role that was started again takes part
            _log.info("first step of this process; the run is at step %d", self._values["step"])
        if time.monotonic() >= self._next_s:
            self._report()

    def end(self, session: Any) -> None:  # noqa: D102
        if self._values:
            self._report()

    def report_saving(self) -> None:
        """Report that no step comes for as long as a save takes, which is not a stall."""
        self._next_s = 0.0
        self._send({**self._values, **self._describe(), "saving": True})

    def _report(self) -> None:
        self._next_s = time.monotonic() + self._interval_s
        self._send({**self._values, **self._describe()})


class QuietSync(tf.train.SessionRunHook):
    """Stands behind the hook of SyncReplicasOptimizer, whose thread on the chief only ends with the session.

    TF takes that end for an error and prints a stack trace below a run that went well.
    """

    def __init__(self, sync_hook: tf.train.SessionRunHook) -> None:
        self._sync_hook = sync_hook

    def begin(self) -> None:  # noqa: D102
        runner = getattr(self._sync_hook, "_q_runner", None)
        if runner is not None:
            runner._queue_closed_exception_types = (tf.errors.OutOfRangeError, tf.errors.CancelledError)


class SaveCheckpoints(tf.train.SessionRunHook):
    """The chief's saving: every so many seconds and steps, and at the end of a run that did not fail.

    ``save`` takes the raw session and publishes; ``step`` is the global step after the step's update; ``start_step``
    is what the run resumed from, which is not saved again. Up to ``max_missed`` saves in a row may fail in between,
    for want of room say, and the run goes on: ``note`` says so. The last save must not, and a storage that did
    not answer for as long as storage waits ends the run at once. ``before_save`` is called before each save.
    """

    def __init__(
        self,
        save: Callable[[Any], checkpoint.Found],
        step: Any,
        *,
        start_step: int,
        every_s: float,
        every_steps: int | None,
        max_missed: int = 0,
        before_save: Callable[[], None] = lambda: None,
    ) -> None:
        self._save, self._step, self._every_s, self._every_steps = save, step, every_s, every_steps
        self._before_save = before_save
        self._max_missed, self._num_missed = max_missed, 0
        self._saved_step = self._tried_step = self._seen_step = start_step
        self._tried_s = time.monotonic()
        self.found: checkpoint.Found | None = None
        self.note: str | None = None

    @property
    def saved_step(self) -> int:
        """The step of the newest checkpoint, 0 without one."""
        return self._saved_step

    def after_create_session(self, session: Any, coord: Any) -> None:  # noqa: D102
        self._tried_s = time.monotonic()
        # A chief that comes back may find the others at the target, and nothing to do but to save.
        self._seen_step = max(self._seen_step, int(session.run(tf.train.get_global_step())))

    def before_run(self, run_context: Any) -> Any:  # noqa: D102
        return tf.train.SessionRunArgs(self._step)

    def after_run(self, run_context: Any, run_values: Any) -> None:  # noqa: D102
        self._seen_step = int(run_values.results)
        due = time.monotonic() - self._tried_s >= self._every_s
        if self._every_steps is not None:
            due = due or self._seen_step - self._tried_step >= self._every_steps
        if due:
            self._try_to_save(run_context.session)

    def end(self, session: Any) -> None:  # noqa: D102
        if self._seen_step > self._saved_step:
            self._save_now(session)

    def _try_to_save(self, session: Any) -> None:
        self._tried_step = self._seen_step
        try:
            self._save_now(session)
        except UnavailableError:
            raise
        except StorageError as err:
            self._num_missed += 1
            missed = self._missed()
            self.note = f"{missed}: {err}"
            if self._num_missed > self._max_missed:
                raise type(err)(self.note) from err
            _log.warning("%s; training goes on, and ends if %d in a row fail: %s", missed, self._max_missed + 1, err)
        self._tried_s = time.monotonic()

    def _missed(self) -> str:
        newest = (
            f"the last good checkpoint is of step {self._saved_step}" if self._saved_step else "there is none before"
        )
        if self._num_missed == 1:
            return f"the save at step {self._seen_step} failed, {newest}"
        return f"{self._num_missed} saves in a row failed, the last at step {self._seen_step}; {newest}"

    def _save_now(self, session: Any) -> None:
        started_s = time.monotonic()
        self._before_save()
        self.found = self._save(session)
        self._saved_step = self._tried_step = self.found.step
        if self._num_missed:
            _log.info("saves succeed again, after %d that failed", self._num_missed)
        self._num_missed, self.note = 0, None
        _log.info("saved %s in %.1f s", self.found.prefix_url, time.monotonic() - started_s)


class Stop(tf.train.SessionRunHook):
    """Ends the loop at ``target`` (None: never) or when ``stop_requested`` is true; ``was_requested`` says which.

    ``global_step`` is the variable, ``step_after`` its value after the step's update. ``more_steps`` are run after a
    request: with --sync_replicas the chief cannot end its last step, and save, unless the others take part in it.
    """

    def __init__(
        self,
        global_step: Any,
        step_after: Any,
        target: int | None,
        stop_requested: Callable[[], bool],
        *,
        more_steps: int = 0,
    ) -> None:
        self._global_step, self._step, self._target = global_step, step_after, target
        self._stop_requested = stop_requested
        self._more_steps = more_steps
        self.step = 0
        self.was_requested = False

    def after_create_session(self, session: Any, coord: Any) -> None:  # noqa: D102
        self.step = int(session.run(self._global_step))
        if self._is_over():
            coord.request_stop()

    def before_run(self, run_context: Any) -> Any:  # noqa: D102
        return tf.train.SessionRunArgs(self._step)

    def after_run(self, run_context: Any, run_values: Any) -> None:  # noqa: D102
        self.step = int(run_values.results)
        if self._is_over():
            run_context.request_stop()

    def _is_over(self) -> bool:
        if self._target is not None and self.step >= self._target:
            return True
        self.was_requested = self._stop_requested()
        self._more_steps -= self.was_requested
        return self.was_requested and self._more_steps < 0
