"""A SIGTERM outside of a run of roles: it ends what the driver does, whatever that waits for."""

import contextlib
import signal
import threading
from collections.abc import Iterator

from sparkcv.errors import PreemptedError

__all__ = ["ToldToEnd", "sigterm_raised"]


class ToldToEnd(BaseException):
    """Raised by a SIGTERM; no Exception, as py4j would report one as a failure of Java's, with pages of its own."""


@contextlib.contextmanager
def sigterm_raised() -> Iterator[None]:
    """Raise ToldToEnd where a SIGTERM comes, and PreemptedError behind the block; nothing but in the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def leave(number: int, frame: object) -> None:
        del number, frame
        raise ToldToEnd

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    except ToldToEnd as err:
        raise PreemptedError(
            "told to end by SIGTERM while no roles ran; the same command does it again, or goes on"
        ) from err
    finally:
        signal.signal(signal.SIGTERM, before)
