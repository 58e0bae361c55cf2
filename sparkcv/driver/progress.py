"""The progress of a training run as one line: what a person watches, gathered from every worker's status."""

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from sparkcv import logs
from sparkcv.cluster.observer import RunObserver
from sparkcv.roles import Role

_QUEUES = ("filename", "common", "prefetch")


class ExamplesProgress(RunObserver):
    """Adds up the examples that roles report and shows one line.

    Args:
        what: is done, in a word.
        target: how many there will be; None where nobody knows.
        unit: what an example is called.
    """

    def __init__(self, what: str, target: int | None, unit: str) -> None:
        self._progress = logs.Progress(what, target, unit)
        self._examples: dict[Role, int] = {}

    def on_status(self, role: Role, status: dict[str, Any]) -> None:
        """Take the newest status of one role."""
        self._examples[role] = int(status.get("examples", 0))
        self._progress.update(sum(self._examples.values()))

    def close(self) -> None:
        """End the line."""
        self._progress.close()


class TrainProgress:
    """Gathers the workers' statuses and shows one line; called from the supervisor's thread."""

    def __init__(self, target: int | None) -> None:
        self._progress = logs.Progress("train", target, "step")
        self._workers: dict[Role, Mapping[str, Any]] = {}
        self._lock = threading.Lock()
        self.step = 0
        self.saved = 0
        self.evaluated: dict[str, Any] | None = None
        self._saves_note: str | None = None
        self._slow = ""

    def update(self, role: Role, status: Mapping[str, Any]) -> None:
        """Take the newest status of one role and show the line if it is due."""
        if role.job == "evaluator":
            self.evaluated = newest_evaluation(status) or self.evaluated
        if role.job != "worker":
            return
        with self._lock:
            self._workers[role] = status
            self.step = max(self.step, int(status.get("step", 0)))
            if role.index == 0:  # the chief, which saves
                self._saves_note = status.get("note")
                self.saved = int(status.get("saved", 0))
            self._progress.update(self.step, describe(self._workers, self.evaluated))

    def slow(self, stragglers: Sequence[object]) -> None:
        """Take all roles that are slow now."""
        self._slow = "; ".join(map(str, stragglers))

    @property
    def left_s(self) -> float | None:
        """Estimate of the seconds that the run still takes; None while there is none."""
        return self._progress.left_s

    @property
    def note(self) -> str | None:
        """What is amiss: saves that failed, roles that are slow; None while all is well."""
        return "; ".join(filter(None, (self._saves_note, self._slow))) or None

    def close(self) -> None:
        """End the line."""
        self._progress.close()


def newest_evaluation(status: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return ``step`` and ``accuracy`` of the newest evaluation that an evaluator tells of; None before the first."""
    if status.get("evaluated_step") is None or status.get("accuracy") is None:
        return None
    return {"step": int(status["evaluated_step"]), "accuracy": float(status["accuracy"])}


def describe(workers: Mapping[Role, Mapping[str, Any]], evaluated: Mapping[str, Any] | None = None) -> str:
    """Return what stands behind the ETA: loss, accuracy, images/s of each worker, the queues, what bounds the run.

    A run is bound by its reader, its decoder or its step; the first two with how much of the time steps wait for them.

    The loss is the chief's; a queue is shown by the worker whose queue is emptiest, as that one waits first.
    """
    ordered = [workers[role] for role in sorted(workers)]
    parts = []
    loss = next((status["loss"] for status in ordered if status.get("loss") is not None), None)
    if loss is not None:
        parts.append(f"loss {loss:.3f}")
    if evaluated is not None:
        parts.append(f"accuracy {evaluated['accuracy']:.3f} at step {evaluated['step']}")
    rates = [status["images_per_s"] for status in ordered if status.get("images_per_s") is not None]
    if rates:
        parts.append(" + ".join(f"{rate:.0f}" for rate in rates) + " images/s")
    queues = [status["queues"] for status in ordered if status.get("queues")]
    for name in _QUEUES:
        gauges = [queue[name] for queue in queues if name in queue]
        if gauges:
            held, capacity = min(gauges, key=lambda gauge: gauge[0] / max(1, gauge[1]))
            parts.append(f"{name} {held}/{capacity}")
    bounds = {status["bound"]: 0.0 for status in ordered if status.get("bound")}
    for status in ordered:
        if status.get("bound"):
            bounds[status["bound"]] = max(bounds[status["bound"]], float(status.get("waits") or 0.0))
    if bounds:
        parts.append(" and ".join(_bound_by(bound, bounds[bound]) for bound in sorted(bounds)))
    rejected = sum(int(status.get("rejected", 0)) for status in ordered)
    if rejected:
        parts.append(f"{rejected} rejected")
    return " · ".join(parts)


def _bound_by(bound: str, waits: float) -> str:
    return f"{bound}-bound" if bound == "step" else f"{bound}-bound, steps wait {waits:.0%}"
