"""From what a user's function raised to one sentence, with the user's own lines of the traceback in the log."""

import os
import re
import sys
import traceback
from types import TracebackType

from sparkcv.errors import ProgramError, RoleFailedError, SparkcvError

__all__ = ["error_of"]

_ROOMS = tuple(
    os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + f"/{room}/" for room in ("compat", "cluster")
)
# What TensorFlow says of others that went away: the program is not at fault, and can be started again.
_OF_OTHERS = ("UnavailableError", "AbortedError", "CancelledError", "DeadlineExceededError")
_COLLECTIVE = "ollective ops is aborted"
# What TensorFlow says of a path whose scheme it does not know; the second, of listdir, also of a folder that is absent.
_NO_SCHEME = re.compile(r"File system scheme '([^']*)' not implemented")
_NO_FOLDER = re.compile(r"Could not find directory ([A-Za-z][\w+.-]*)://")


def error_of(err: BaseException, name: str) -> SparkcvError:
    """The error to tell the driver for what ``name``, a user's function, raised; prints the traceback.

    A RoleFailedError where others are to blame, so that the role may be started again, else a ProgramError.
    """
    trace = _from_the_users_first_line(err.__traceback__)
    traceback.print_exception(type(err), err, trace, file=sys.stderr)
    sys.stderr.flush()
    kind, text = type(err).__name__, str(err).strip().partition("\n")[0]
    if isinstance(err, SystemExit):
        return ProgramError(f"{name} called sys.exit({err.code!r}); a map_fun ends by returning, or by an error")
    if scheme := _unopened_scheme(err):
        return ProgramError(
            f"{name} gave TensorFlow a path of {scheme}://, which it cannot open: read from ctx.stage(url), a local "
            "copy, and write locally, then ctx.publish(local, url)"
        )
    sentence = f"{name} raised {kind}: {text}" if text else f"{name} raised {kind}"
    if _is_tensorflows(err) and (kind in _OF_OTHERS or _COLLECTIVE in str(err)):
        return RoleFailedError(sentence)
    return ProgramError(sentence)


def _is_tensorflows(err: BaseException) -> bool:
    return type(err).__module__.startswith("tensorflow.")


def _unopened_scheme(err: BaseException) -> str | None:
    """The scheme of the path that TensorFlow failed at as it knows no file system of that name, else None."""
    if found := _NO_SCHEME.search(str(err)):
        return found[1]
    if _is_tensorflows(err) and (found := _NO_FOLDER.search(str(err))):
        known = sys.modules["tensorflow"].io.gfile.get_registered_schemes()
        return None if found[1] in known else found[1]
    return None


def _from_the_users_first_line(trace: TracebackType | None) -> TracebackType | None:
    """Without our own frames above it; all of it if there are no others."""
    first = trace
    while first is not None and first.tb_frame.f_code.co_filename.startswith(_ROOMS):
        first = first.tb_next
    return first or trace
