"""A Ctrl-C in a job: a KeyboardInterrupt, whatever py4j makes and logs of the calls to Java that it interrupts."""

import contextlib
import logging
import signal
import threading
from collections.abc import Iterator

__all__ = ["interrupts_raised"]


@contextlib.contextmanager
def interrupts_raised() -> Iterator[None]:
    """Raise KeyboardInterrupt where a SIGINT comes, and behind the block, whatever it became meanwhile.

    From then on to the end of the block nothing is logged but by this project. In the main thread only, where Python
    has signals, and not where SIGINT is ignored or somebody else's.
    """
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    has_come = False

    def leave(number: int, frame: object) -> None:
        nonlocal has_come
        del number, frame
        has_come = True
        logging.getLogger().setLevel(logging.CRITICAL)  # py4j logs pages of what the signal interrupted there
        raise KeyboardInterrupt

    root_level = logging.getLogger().level
    signal.signal(signal.SIGINT, leave)
    try:
        yield
    except Exception as err:  # pyspark asks Java again on the way out, by a connection that py4j has closed
        if has_come:
            raise KeyboardInterrupt from err
        raise
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        logging.getLogger().setLevel(root_level)
