"""``status.json`` in a run's folder: what a person or a scheduler looks at to know how the run stands."""

import time
from typing import Any

from sparkcv import logs, storage
from sparkcv.errors import PreemptedError, StorageError

_log = logs.get(__name__)

RUNNING, FINISHED, FAILED, PREEMPTED = "running", "finished", "failed", "preempted"


class StatusFile:
    """Writes ``<run_dir>/status.json``; at most one write every ``interval_s`` while the run goes on.

    Keys: ``state`` (running, finished, failed, preempted), ``step``, ``target``, ``restarts``, ``reason`` (null while
    all is well), ``started`` and ``updated`` (Unix seconds).
    """

    def __init__(self, run_dir: str, target: int | None, *, interval_s: float = 10.0) -> None:
        self._url = storage.join(run_dir, "status.json")
        self._interval_s = interval_s
        self._written_s = 0.0
        self._status: dict[str, Any] = {
            "state": RUNNING,
            "step": 0,
            "target": target,
            "restarts": 0,
            "reason": None,
            "started": time.time(),
        }

    def start(self, step: int) -> None:
        """Say that the run goes on from ``step``."""
        self._status["step"] = step
        self._write()

    def step(self, step: int) -> None:
        """Note progress; a failed write is logged, not raised, as the run itself is well."""
        self._status["step"] = max(step, self._status["step"])
        if time.monotonic() - self._written_s < self._interval_s:
            return
        try:
            self._write()
        except StorageError as err:
            _log.warning("status.json was not updated: %s", err)
            self._written_s = time.monotonic()

    def finish(self, step: int) -> None:
        """Say that the run reached its end and was verified."""
        self._status.update(state=FINISHED, step=step)
        self._write()

    def fail(self, error: BaseException) -> None:
        """Say why the run ended without success."""
        state = PREEMPTED if isinstance(error, PreemptedError) else FAILED
        self._status.update(state=state, reason=str(error) or type(error).__name__)
        try:
            self._write()
        except StorageError as err:  # the reason of the run's end matters more than this one
            _log.warning("status.json was not updated: %s", err)

    def _write(self) -> None:
        storage.write_json(self._url, {**self._status, "updated": time.time()})
        self._written_s = time.monotonic()
