"""A progress line for a Spark stage: a bounded thread that asks Spark how many tasks are done."""

import threading
from collections.abc import Callable
from types import TracebackType

from sparkcv import logs

_POLL_S = 1.0
_JOIN_S = 10.0
_log = logs.get(__name__)


class StageProgress:
    """A context manager that shows progress while its block runs.

    Args:
        what: the line's first word.
        num_rows: rows of the whole stage.
        num_tasks: tasks of the whole stage, of nearly equal size.
        count_done: gives how many tasks are done; called about once a second, from the watch's thread.
        count_running: gives how many rows those have done that still run; called likewise.
    """

    def __init__(
        self,
        what: str,
        num_rows: int,
        num_tasks: int,
        count_done: Callable[[], int],
        count_running: Callable[[], int] = lambda: 0,
    ) -> None:
        self._progress = logs.Progress(what, num_rows, "image")
        self._num_rows, self._num_tasks, self._count_done = num_rows, num_tasks, count_done
        self._count_running, self._most_rows = count_running, 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="sparkcv-progress", daemon=True)

    def __enter__(self) -> "StageProgress":
        self._progress.update(0)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(_JOIN_S)
        if error is None:
            self._show(self._num_tasks, 0, force=True)
        self._progress.close()

    def _watch(self) -> None:
        while not self._stop.wait(_POLL_S):
            try:
                self._show(self._count_done(), self._count_running(), force=False)
            except Exception as err:  # noqa: BLE001  a line that fails must not end the run, nor go on failing
                _log.warning("no more progress lines: %s", err)
                return

    def _show(self, tasks: int, running: int, *, force: bool) -> None:
        done = min(tasks, self._num_tasks)
        text = f"task {done}/{self._num_tasks}"
        # A task counts twice or not at all in the moment in which it ends: the line never goes back.
        rows = min(self._num_rows, done * self._num_rows // self._num_tasks + running)
        self._most_rows = max(self._most_rows, rows)
        self._progress.update(self._most_rows, text, force=force)
