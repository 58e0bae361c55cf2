"""A SIGTERM outside of a run of roles: it ends what the driver does, whatever that waits for."""

import contextlib
import logging
import signal
import threading
from collections.abc import Callable, Iterator

from sparkcv.errors import PreemptedError

__all__ = ["preempted", "sigterm_raised"]

_THEN = "while no roles ran; the same command does it again, or goes on"
_has_come = False  # no event: its lock may be held by the very line that the handler interrupts


@contextlib.contextmanager
def sigterm_raised() -> Iterator[None]:
    """Raise PreemptedError where a SIGTERM comes, and behind the block, whatever it became meanwhile.

    In the main thread only, where Python has signals.
    """
    global _has_come
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def leave(number: int, frame: object) -> None:
        global _has_come
        del number, frame
        _has_come = True
        logging.getLogger().setLevel(logging.CRITICAL)  # py4j logs pages of what the signal interrupted there
        raise PreemptedError(f"told to end by SIGTERM {_THEN}")

    _has_come = False
    root_level, before = logging.getLogger().level, signal.signal(signal.SIGTERM, leave)
    try:
        with preempted(lambda: _THEN):
            yield
    finally:
        _has_come = False
        signal.signal(signal.SIGTERM, before)
        logging.getLogger().setLevel(root_level)


@contextlib.contextmanager
def preempted(then: Callable[[], str]) -> Iterator[None]:
    """Raise PreemptedError, which ends with what ``then`` gives, for an error of the block that came with a SIGTERM.

    py4j makes its own error of what is raised while it waits for Java, and Java may have been told to end, too.
    """
    try:
        yield
    except Exception as err:
        if not _has_come or (isinstance(err, PreemptedError) and err.__cause__ is not None):
            raise
        raise PreemptedError(f"told to end by SIGTERM {then()}") from err
