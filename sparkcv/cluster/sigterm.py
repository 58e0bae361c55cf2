"""A SIGTERM as something to look at, so that what runs can end in good order instead of in the middle of a line."""

import contextlib
import dataclasses
import signal
import threading
import time
from collections.abc import Iterator

__all__ = ["Sigterm", "sigterm_noted"]

_POLL_S = 0.1


@dataclasses.dataclass
class Sigterm:
    """Whether one ``has_come``; a plain flag, as an event's lock may be held by the line that a handler interrupts."""

    has_come: bool = False

    def wait(self, timeout_s: float) -> bool:
        """Return true once one has come, false after ``timeout_s`` without."""
        deadline_s = time.monotonic() + timeout_s
        while not self.has_come and time.monotonic() < deadline_s:
            time.sleep(_POLL_S)
        return self.has_come


@contextlib.contextmanager
def sigterm_noted() -> Iterator[Sigterm]:
    """Note every SIGTERM within the block; none outside of the main thread, where Python has no signals."""
    noted = Sigterm()
    if threading.current_thread() is not threading.main_thread():
        yield noted
        return

    def note(number: int, frame: object) -> None:
        del number, frame
        noted.has_come = True

    before = signal.signal(signal.SIGTERM, note)
    try:
        yield noted
    finally:
        signal.signal(signal.SIGTERM, before)
