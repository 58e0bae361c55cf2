"""Turn what a user's function raised into one sentence, and log the user's own lines of the traceback."""

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
_OTHER_PROCESS = ("UnavailableError", "AbortedError", "CancelledError", "DeadlineExceededError")
_COLLECTIVE = "ollective ops is aborted"
# What TensorFlow says of a path whose scheme it does not know; the second, of listdir, also of a folder that is absent.
_NO_SCHEME = re.compile(r"File system scheme '([^']*)' not implemented")
_NO_FOLDER = re.compile(r"Could not find directory ([A-Za-z][\w+.-]*)://")


def error_of(err: BaseException, name: str) -> SparkcvError:
    """Return the error to send to the driver for what ``name``, a user's function, raised; print the traceback.

    It is a RoleFailedError if other processes caused it, so that the role may be started again, else a ProgramError.
    """
    trace = _users_traceback(err.__traceback__)
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
    if _is_tensorflow_error(err) and (kind in _OTHER_PROCESS or _COLLECTIVE in str(err)):
        return RoleFailedError(sentence)
    return ProgramError(sentence)


def _is_tensorflow_error(err: BaseException) -> bool:
    return type(err).__module__.startswith("tensorflow.")


def _unopened_scheme(err: BaseException) -> str | None:
    """Return the scheme of a path that TensorFlow has no file system for, if that is the error; else None."""
    if found := _NO_SCHEME.search(str(err)):
        return found[1]
    if _is_tensorflow_error(err) and (found := _NO_FOLDER.search(str(err))):
        known = sys.modules["tensorflow"].io.gfile.get_registered_schemes()
        return None if found[1] in known else found[1]
    return None


def _users_traceback(trace: TracebackType | None) -> TracebackType | None:
    """Return the traceback without our own frames above the user's; all of it if it has no others."""
    first = trace
    while first is not None and first.tb_frame.f_code.co_filename.startswith(_ROOMS):
        first = first.tb_next
    return first or trace
