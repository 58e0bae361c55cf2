"""What large imports leave alone, and an end of the process that does not take them apart.

They leave alone packages that they would only use if they can, and Python's garbage collector.
"""

import contextlib
import gc
import os
import sys
from collections.abc import Iterator
from typing import NoReturn

__all__ = ["exit_now", "hidden", "uncollected"]


@contextlib.contextmanager
def hidden(*names: str) -> Iterator[None]:
    """Let an ``import`` of packages that are not imported yet fail as if they were not installed."""
    missing = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(missing))  # type: ignore[arg-type]  # Python's own way to say so
    try:
        yield
    finally:
        for name in missing:
            del sys.modules[name]


@contextlib.contextmanager
def uncollected(*, is_kept: bool = False) -> Iterator[None]:
    """Let Python's garbage collector rest; what ``is_kept`` to the end of the process it does not look through later.

    An import of TensorFlow makes half a million objects, none of them garbage: to look for it takes a seventh of the
    time. A forked process that looked through them would write to the pages that it shares.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if is_kept:
            gc.freeze()
        if was_enabled:
            gc.enable()


def exit_now(code: int) -> NoReturn:
    """End the process with ``code`` once what it wrote is on its way.

    No thread of a library, such as TensorFlow's, keeps it alive, and its modules are not taken apart, for which Python
    takes a third of the time of TensorFlow's import.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
