"""Processes that a program forks by hand: at the end of the program they end, and report nothing."""

import contextlib
import os
import sys
import traceback
from collections.abc import Iterator

__all__ = ["children_ending_here"]


@contextlib.contextmanager
def children_ending_here() -> Iterator[None]:
    """Let only the process that enters the block leave it: one that was forked within it ends where it would leave.

    Such a child has copies of the role's connections, and would send a second result on them. Its exit code is
    Python's own: 0 where it returns, that of its ``sys.exit``, or 1 with the traceback on stderr.
    """
    entered = os.getpid()
    try:
        yield
    except BaseException as err:
        if os.getpid() != entered:
            _end(err)
        raise
    if os.getpid() != entered:
        _end(None)


def _end(err: BaseException | None) -> None:
    code = 0
    if isinstance(err, SystemExit):
        code = err.code if isinstance(err.code, int) else int(err.code is not None)
    elif err is not None:
        traceback.print_exception(err)
        code = 1
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code & 0xFF)
