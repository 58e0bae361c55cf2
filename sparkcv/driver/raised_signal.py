"""A signal that becomes an exception of the main thread, behind which py4j's words about it are no news."""

import contextlib
import logging
import signal
import threading
from collections.abc import Callable, Iterator

__all__ = ["is_main_thread", "signal_raised"]


def is_main_thread() -> bool:
    """Tell whether this thread is the one in which Python has signals."""
    return threading.current_thread() is threading.main_thread()


@contextlib.contextmanager
def signal_raised(number: int, error: Callable[[], BaseException]) -> Iterator[Callable[[], bool]]:
    """Raise what ``error`` gives where the signal comes, in the main thread; yield what tells whether it has come.

    From then on to the end of the block nothing is logged but by this project.
    """
    has_come = False  # no event: its lock may be held by the very line that the handler interrupts

    def leave(number: int, frame: object) -> None:
        nonlocal has_come
        del number, frame
        has_come = True
        logging.getLogger().setLevel(logging.CRITICAL)  # py4j logs pages of what the signal interrupted there
        raise error()

    root_level, before = logging.getLogger().level, signal.signal(number, leave)
    try:
        yield lambda: has_come
    finally:
        signal.signal(number, before)
        logging.getLogger().setLevel(root_level)
