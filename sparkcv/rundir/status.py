"""``status.json`` in a run's folder: what a person or a scheduler looks at to know how the run stands."""

import dataclasses
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from sparkcv import logs, storage
from sparkcv.errors import LeaseError, PreemptedError, SparkcvError, StorageError
from sparkcv.rundir import checkpoint

_log = logs.get(__name__)

FILE_NAME = "status.json"
RUNNING, FINISHED, FAILED, PREEMPTED = "running", "finished", "failed", "preempted"
_LAST_WORD_S = 20.0


@dataclasses.dataclass(frozen=True)
class RunStatus:
    """What ``status.json`` says of how far a run came; what it does not say, or not so that it makes sense, is empty.

    Attributes:
        state: running, finished, failed or preempted; "" if it does not tell.
        step: the last step that was heard of.
        saved: the step of the newest checkpoint that was heard of.
    """

    state: str = ""
    step: int = 0
    saved: int = 0

    @property
    def is_finished(self) -> bool:
        """Whether the run was a success."""
        return self.state == FINISHED

    @classmethod
    def read(cls, run_dir: str) -> "RunStatus":
        """Read it from a run's folder, which need not have one; raises StorageError if it does not read."""
        url = storage.join(run_dir, FILE_NAME)
        value = storage.read_json(url) if storage.exists(url) else None
        if not isinstance(value, dict):
            return cls()
        state, step, saved = (value.get(name) for name in ("state", "step", "saved"))
        return cls(
            state=state if isinstance(state, str) else "",
            step=step if isinstance(step, int) else 0,
            saved=saved if isinstance(saved, int) else 0,
        )


class StatusFile:
    """Writes ``<run_dir>/status.json``; at most one write every ``interval_s`` while the run goes on.

    Keys: ``state`` (running, finished, failed, preempted), ``step``, ``saved`` (the step of the newest checkpoint, as
    last heard of, and at an end without success as found; 0 without one), ``target``, ``restarts`` (of roles, in place
    or all anew), ``last_restart`` (its ``reason`` and when it was; not there before the first), ``note`` (what a
    running run lacks, such as saves that failed, or roles that are slow; null while all is well), ``evaluated``
    (``step`` and ``accuracy`` of the evaluator's newest; null without one), ``reason`` (of an end without success),
    ``started`` and ``updated`` (Unix seconds).

    While the run goes on each write has a thread of its own: the driver must hear of a dead role within seconds also
    while the storage does not answer. ``fence`` raises LeaseError if the folder is another run's by now, whose status
    is not written over.
    """

    def __init__(
        self,
        run_dir: str,
        target: int | None,
        *,
        interval_s: float = 10.0,
        fence: Callable[[], None] = lambda: None,
    ) -> None:
        self._fence = fence
        self._run_dir = run_dir
        self._url = storage.join(run_dir, FILE_NAME)
        self._interval_s = interval_s
        self._written_s = 0.0
        self._writing = threading.Lock()
        self._writer: threading.Thread | None = None
        self._status: dict[str, Any] = {
            "state": RUNNING,
            "step": 0,
            "saved": 0,
            "target": target,
            "restarts": 0,
            "note": None,
            "evaluated": None,
            "reason": None,
            "started": time.time(),
        }

    def start(self, step: int) -> None:
        """Say that the run goes on from ``step``."""
        self._status.update(step=step, saved=step)
        self._write()

    def step(self, step: int, note: str | None = None, saved: int = 0) -> None:
        """Note progress, and what is amiss; return at once. A failed write is logged, as the run itself is well."""
        is_news = note != self._status["note"]
        self._status.update(step=max(step, self._status["step"]), saved=max(saved, self._status["saved"]), note=note)
        if is_news or time.monotonic() - self._written_s >= self._interval_s:
            self._write_beside()

    def restarted(self, reason: str) -> None:
        """Count a restart of roles; return at once."""
        self._status["restarts"] += 1
        self._status["last_restart"] = {"reason": reason, "at": time.time()}
        self._write_beside()

    def evaluated(self, evaluated: Mapping[str, Any] | None) -> None:
        """Note the evaluator's newest ``step`` and ``accuracy``, for the next write."""
        if evaluated is not None:
            self._status["evaluated"] = dict(evaluated)

    def finish(self, step: int) -> None:
        """Say that the run reached its end and was verified."""
        self._status.update(state=FINISHED, step=step, saved=step, note=None)
        self._write()

    def fail(self, error: BaseException) -> None:
        """Say why the run ended without success, if the storage takes it within seconds."""
        state = PREEMPTED if isinstance(error, PreemptedError) else FAILED
        self._status.update(state=state, reason=_reason(error), note=None)
        give_up_s = time.monotonic() + _LAST_WORD_S
        for _ in range(2):  # one that is under way may have begun before the end
            writer = self._write_beside()
            writer.join(max(0.0, give_up_s - time.monotonic()))
        if writer.is_alive():
            _log.warning("status.json was not updated: %s did not take it in %.0f s", self._url, _LAST_WORD_S)

    def _write_beside(self) -> threading.Thread:
        """Write from another thread, unless one is at it already; return that thread."""
        if self._writer is None or not self._writer.is_alive():
            self._writer = threading.Thread(target=self._write_quietly, name="sparkcv-status", daemon=True)
            self._writer.start()
        return self._writer

    def _write_quietly(self) -> None:
        try:
            if self._status["state"] in (FAILED, PREEMPTED):
                self._look_for_saves()
            self._write()
        except (StorageError, LeaseError) as err:  # the run, or the reason of its end, matters more than this one
            _log.warning("status.json was not updated: %s", err)
            self._written_s = time.monotonic()

    def _look_for_saves(self) -> None:
        """Count what a chief had published when it died before its next word."""
        saved = max(checkpoint.steps(self._run_dir), default=0)
        self._status.update(step=max(saved, self._status["step"]), saved=max(saved, self._status["saved"]))

    def _write(self) -> None:
        with self._writing:  # so that a write that was held up does not follow a newer one
            self._fence()
            storage.write_json(self._url, {**self._status, "updated": time.time()})
            self._written_s = time.monotonic()


def _reason(error: BaseException) -> str:
    """Why a run ended, as the job's last line says it, too."""
    if isinstance(error, KeyboardInterrupt):
        return "stopped by the keyboard"
    if isinstance(error, SparkcvError) and str(error):
        return str(error)
    return f"a bug of the job, see the driver's log: {type(error).__name__}: {error}"
