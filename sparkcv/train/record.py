"""The chief's record of a run: curves and the event file, readable while it goes on and afterwards."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from typing import Any

import tensorflow.compat.v1 as tf

from sparkcv import logs, storage
from sparkcv.errors import StorageError, UnavailableError
from sparkcv.inputs.meter import Meter
from sparkcv.train.mirror import Mirror

__all__ = ["RunRecord"]

_MIRROR_INTERVAL_S = 10.0
_LINE_INTERVAL_S = 5.0
_log = logs.get(__name__)


class RunRecord(tf.train.SessionRunHook):
    """The chief's record of the run: ``metrics.jsonl`` and an event file, written locally and mirrored to ``run_url``.

    A line and the scalars every ``every_steps`` global steps; ``summary_op`` every ``summaries_s`` seconds and at the
    first step; and ``samples``, the bytes of a PNG, as ``samples/step-00000100.png``. ``fetches`` has ``step``,
    ``loss`` and ``learning_rate``; scalars in ``recorded`` join the line by their names. Raises UnavailableError, at a
    step, if the storage does not answer; one that is full costs the curve, not the run.
    """

    def __init__(
        self,
        fetches: dict[str, Any],
        meter: Meter,
        scratch_dir: str,
        run_url: str,
        *,
        every_steps: int,
        summary_op: Any | None,
        summaries_s: float,
        samples: Any | None = None,
    ) -> None:
        self._fetches, self._meter, self._summary_op = fetches, meter, summary_op
        self._samples = samples
        self._every_steps, self._summaries_s = every_steps, summaries_s
        self._next_mirror_s = self._next_summary_s = self._next_line_s = 0.0
        self._last_step: int | None = None
        self._events_dir = os.path.join(scratch_dir, "events")
        self._metrics_path = os.path.join(scratch_dir, "metrics.jsonl")
        self._run_url = run_url
        self._mirror: Mirror | None = None
        self._writer: Any = None
        self._is_lost = False

    def begin(self) -> None:  # noqa: D102
        self._writer = tf.summary.FileWriter(self._events_dir, graph=tf.get_default_graph())
        self._writer.flush()
        metrics_url = storage.join(self._run_url, "metrics.jsonl")
        with open(self._metrics_path, "wb") as file:
            # A former run may have ended inside its last line.
            file.write(b"\n" if storage.exists(metrics_url) else b"")
        names = sorted(os.listdir(self._events_dir))
        self._mirror = Mirror()
        for name in names:
            self._mirror.add(os.path.join(self._events_dir, name), storage.join(self._run_url, name))
        self._mirror.add(self._metrics_path, metrics_url)

    def before_run(self, run_context: Any) -> Any:  # noqa: D102
        fetches = dict(self._fetches)
        if self._summary_op is not None and time.monotonic() >= self._next_summary_s:
            fetches["summary"] = self._summary_op
            if self._samples is not None:
                fetches["samples"] = self._samples
        return tf.train.SessionRunArgs(fetches)

    def after_run(self, run_context: Any, run_values: Any) -> None:  # noqa: D102
        values = dict(run_values.results)
        step = int(values["step"])
        if "summary" in values:
            self._locally(lambda: self._writer.add_summary(values["summary"], step))
            self._next_summary_s = time.monotonic() + self._summaries_s
        if "samples" in values:
            self._show(values["samples"], step)
        last, self._last_step = self._last_step, step
        if last is None or step // self._every_steps > last // self._every_steps:
            recorded = {name: float(value) for name, value in values.get("recorded", {}).items()}
            self._line(step, float(values["loss"]), float(values["learning_rate"]), recorded)
        if self._mirror is not None:
            self._mirror.check()
            if time.monotonic() >= self._next_mirror_s:
                self._next_mirror_s = time.monotonic() + _MIRROR_INTERVAL_S
                self._grow(self._mirror)

    def close(self) -> None:
        """Close the event file, whatever the run's end: a failed run's curve is wanted most. Twice is fine."""
        if self._mirror is None:
            return
        self._grow(self._mirror)
        self._mirror.close()
        self._mirror = None
        self._locally(self._writer.close)

    def _grow(self, mirror: Mirror) -> None:
        self._locally(self._writer.flush)
        if not self._is_lost:
            mirror.grow()  # here both files end with a whole record

    def _locally(self, write: Callable[[], object]) -> None:
        """Write to the scratch folder; a full disk costs the record, not the run."""
        if self._is_lost:
            return
        try:
            write()
        except (OSError, tf.errors.OpError) as err:
            self._is_lost = True
            _log.warning("the record of the run is not kept any more: %s", err)

    def _show(self, png: bytes, step: int) -> None:
        """Publish the picture; one that cannot be written is left out."""
        try:
            storage.write_bytes(storage.join(self._run_url, "samples", f"step-{step:08d}.png"), png)
        except UnavailableError:
            raise
        except StorageError as err:
            _log.warning("no samples of step %d: %s", step, err)

    def _line(self, step: int, loss: float, learning_rate: float, recorded: dict[str, float]) -> None:
        rate = self._meter.images_per_s
        scalars = {"loss": loss, "learning_rate": learning_rate, "images_per_s": rate, **recorded}
        row = {"step": step, **scalars}
        scalars |= {f"queues/{name}": fill for name, (fill, _) in self._meter.queues.items()}
        values = [tf.Summary.Value(tag=tag, simple_value=value) for tag, value in scalars.items() if value is not None]
        self._locally(lambda: self._append(json.dumps(row) + "\n"))
        self._locally(lambda: self._writer.add_summary(tf.Summary(value=values), step))
        if time.monotonic() >= self._next_line_s:
            self._next_line_s = time.monotonic() + _LINE_INTERVAL_S
            _log.info("step %d: loss %.4f, learning rate %.3g, %.1f images/s", step, loss, learning_rate, rate or 0.0)

    def _append(self, line: str) -> None:
        with open(self._metrics_path, "ab") as file:
            file.write(line.encode())
