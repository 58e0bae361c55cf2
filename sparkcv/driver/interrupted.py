"""A Ctrl-C in a job: a KeyboardInterrupt, whatever py4j makes and logs of the calls to Java that it interrupts."""

import contextlib
import signal
from collections.abc import Iterator

from sparkcv.driver.raised_signal import is_main_thread, signal_raised

__all__ = ["interrupts_raised"]


@contextlib.contextmanager
def interrupts_raised() -> Iterator[None]:
    """Raise KeyboardInterrupt where a SIGINT comes, and behind the block, whatever it became meanwhile.

    In the main thread only, where Python has signals, and not where SIGINT is ignored or somebody else's.
    """
    if not is_main_thread() or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    with signal_raised(signal.SIGINT, KeyboardInterrupt) as has_come:
        try:
            yield
        except Exception as err:  # pyspark asks Java again on the way out, by a connection that py4j has closed
            if has_come():
                raise KeyboardInterrupt from err
            raise
