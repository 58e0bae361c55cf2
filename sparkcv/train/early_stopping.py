"""End a run once the evaluations say that it gets no better: each worker for itself, or all at the same step."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import tensorflow.compat.v1 as tf

from sparkcv import logs

__all__ = ["EarlyStopping", "EarlyStoppingTogether"]

_EVERY_S = 10.0
_MARGIN_STEPS = 10
_log = logs.get(__name__)


class EarlyStopping(tf.train.SessionRunHook):
    """Ends the loop once ``find_reason`` returns a sentence, which ``reason`` keeps; asked every ``every_s`` seconds.

    Each worker asks for itself: with asynchronous updates nobody waits for one that ended a little earlier.
    """

    def __init__(self, find_reason: Callable[[], str], every_s: float = _EVERY_S) -> None:
        self._find_reason, self._every_s = find_reason, every_s
        self._next_s = 0.0
        self.reason = ""

    def after_create_session(self, session: Any, coord: Any) -> None:  # noqa: D102
        if self._is_over():
            coord.request_stop()

    def after_run(self, run_context: Any, run_values: Any) -> None:  # noqa: D102
        if self._is_over():
            run_context.request_stop()

    def _is_over(self) -> bool:
        if not self.reason and time.monotonic() >= self._next_s:
            self._next_s = time.monotonic() + self._every_s
            self.reason = self._find_reason()
            if self.reason:
                _log.info("%s", self.reason)
        return bool(self.reason)


class EarlyStoppingTogether(tf.train.SessionRunHook):
    """Ends the loops of all workers at the same step, as ``--sync_replicas`` wants: none waits for one that is gone.

    The chief alone asks ``find_reason``. It writes a step that lies a little ahead into a variable on the first ps,
    which every worker reads with each of its steps, and treats as the target. No checkpoint holds it.

    ``step_after`` is the global step after the step's update; ``device`` is that of the variable.
    """

    def __init__(
        self,
        find_reason: Callable[[], str],
        step_after: Any,
        *,
        is_chief: bool,
        device: str,
        every_s: float = _EVERY_S,
    ) -> None:
        self._find_reason, self._step, self._is_chief, self._device = find_reason, step_after, is_chief, device
        self._every_s, self._next_s = every_s, 0.0
        self._fetches: dict[str, Any] = {}
        self._announce: Any = None
        self._found = ""
        self.reason = ""

    def begin(self) -> None:  # noqa: D102 - tf.train.SessionRunHook says what these do
        with tf.device(self._device), tf.variable_scope("", use_resource=True):
            stop_at = tf.get_variable(
                "early_stopping/stop_at",
                initializer=tf.constant(tf.int64.max, tf.int64),
                trainable=False,
                # The chief alone initializes it, whether it resumes or not, and before it lets anybody make a step.
                collections=[tf.GraphKeys.LOCAL_VARIABLES] if self._is_chief else ["early_stopping"],
            )
            self._announce = tf.assign(stop_at, tf.train.get_global_step().read_value() + _MARGIN_STEPS)
            with tf.control_dependencies([self._step]):
                self._fetches = {"step": self._step, "stop_at": stop_at.read_value()}

    def before_run(self, run_context: Any) -> Any:  # noqa: D102
        return tf.train.SessionRunArgs(self._fetches)

    def after_run(self, run_context: Any, run_values: Any) -> None:  # noqa: D102
        step, stop_at = (int(run_values.results[name]) for name in ("step", "stop_at"))
        if self._is_chief and not self._found and time.monotonic() >= self._next_s:
            self._next_s = time.monotonic() + self._every_s
            self._found = self._find_reason()
            if self._found:
                stop_at = int(run_context.session.run(self._announce))
                _log.info("%s; all workers end at step %d", self._found, stop_at)
        if step >= stop_at:
            self.reason = self._found or "stopped early, at the step that the chief named"
            run_context.request_stop()
