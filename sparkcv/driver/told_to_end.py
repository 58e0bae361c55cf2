"""A SIGTERM outside of a run of roles: it ends what the driver does, whatever that waits for."""

import contextlib
import signal
from collections.abc import Callable, Iterator

from sparkcv.driver.raised_signal import is_main_thread, signal_raised
from sparkcv.errors import PreemptedError

__all__ = ["preempted", "sigterm_raised"]

_THEN = "while no roles ran; the same command does it again, or goes on"


def _never() -> bool:
    return False


_has_come: Callable[[], bool] = _never


@contextlib.contextmanager
def sigterm_raised() -> Iterator[None]:
    """Raise PreemptedError where a SIGTERM comes, and behind the block, whatever it became meanwhile.

    In the main thread only, where Python has signals.
    """
    global _has_come
    if not is_main_thread():
        yield
        return
    with signal_raised(signal.SIGTERM, lambda: PreemptedError(f"told to end by SIGTERM {_THEN}")) as _has_come:
        try:
            with preempted(lambda: _THEN):
                yield
        finally:
            _has_come = _never


@contextlib.contextmanager
def preempted(then: Callable[[], str]) -> Iterator[None]:
    """Raise PreemptedError, which ends with what ``then`` gives, for an error of the block that came with a SIGTERM.

    py4j makes its own error of what is raised while it waits for Java, and Java may have been told to end, too.
    """
    try:
        yield
    except Exception as err:
        if not _has_come() or (isinstance(err, PreemptedError) and err.__cause__ is not None):
            raise
        raise PreemptedError(f"told to end by SIGTERM {then()}") from err
