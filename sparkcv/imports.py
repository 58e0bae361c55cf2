"""What large imports leave alone: packages that they would only use if they can, and Python's garbage collector."""

import contextlib
import gc
import sys
from collections.abc import Iterator

__all__ = ["hidden", "uncollected"]


@contextlib.contextmanager
def hidden(name: str) -> Iterator[None]:
    """Let an ``import`` of a package that is not imported yet fail as if it were not installed."""
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]  # Python's own way to say so
    try:
        yield
    finally:
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
