"""The one error tree: what went wrong, as something a caller can catch and a person can act on.

Every message is one sentence that says what was got, what was wanted and where. Each error is also the
builtin that it is, so that ``except FileNotFoundError`` works as a Python programmer expects::

    SparkcvError                            exit code 1
    ├── UsageError         (ValueError)     exit code 2: a bad flag, before anything started
    ├── PreemptedError     (InterruptedError)  exit code 75: saved, resumes when submitted again
    ├── AtWorkError        (RuntimeError)   exit code 0: another process is doing this very work
    ├── StorageError       (OSError)
    │   ├── MissingFileError    (FileNotFoundError)
    │   ├── FileExistsAlreadyError (FileExistsError)
    │   ├── AccessError         (PermissionError)
    │   ├── UnavailableError    (ConnectionError)  it does not answer, or takes no writes now
    │   └── FullError           no space left, or a quota is used up
    ├── DataError          (ValueError)
    │   ├── RecordError    a TFRecord frame or an Example that cannot be read
    │   ├── ShardError     a shard, manifest or label file that does not match
    │   ├── LabelError     a label out of range or of another split
    │   ├── ImageError     a picture that cannot be used
    │   ├── SchemaError    columns or a form that a table does not have
    │   └── BudgetError    more bad records than the run allows
    ├── CheckpointError    (ValueError)
    ├── ProgramError       (RuntimeError)   a user's own function raised an error
    ├── LeaseError         (RuntimeError)   a run's folder that another run holds, or took over
    ├── ModelError         (ValueError)     an exported model that is not what its model.json says
    └── ClusterError       (RuntimeError)
        ├── RoleFailedError     a role died or reported an error
        │   └── MemoryExceededError (MemoryError)  its container used more than it was given
        ├── LaunchTimeoutError  (TimeoutError)  the roles did not all start
        └── ChannelError        (ConnectionError)  an unauthentic or malformed message
"""

import difflib
from collections.abc import Iterable

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_PREEMPTED = 75  # sysexits' EX_TEMPFAIL: submit the same command again


class SparkcvError(Exception):
    """Root of all errors that sparkcv raises on purpose; ``exit_code`` is what a job ends with."""

    exit_code = EXIT_FAILED


def by_name(name: str) -> type[SparkcvError] | None:
    """Return the class of that name in the tree, as a message or a traceback of another process has it; else None."""
    kind = globals().get(name)
    return kind if isinstance(kind, type) and issubclass(kind, SparkcvError) else None


def nearest(name: str, known: Iterable[str], otherwise: str = "", shown: str = "{}") -> str:
    """Return ``, did you mean X?``, X being the nearest of the ``known`` names to an unknown one.

    ``shown`` is how X is written, as ``--{}``. Returns ``otherwise`` where none is near.
    """
    close = difflib.get_close_matches(name, list(known), n=1)
    return f", did you mean {shown.format(close[0])}?" if close else otherwise


class UsageError(SparkcvError, ValueError):
    """A flag, recipe or combination of them that can never work."""

    exit_code = EXIT_USAGE


class PreemptedError(SparkcvError, InterruptedError):
    """The run was asked to stop, saved its state, and resumes when submitted again."""

    exit_code = EXIT_PREEMPTED


class AtWorkError(SparkcvError, RuntimeError):
    """Another living process is doing this very work, so there is nothing to do and nothing wrong."""

    exit_code = EXIT_OK


class StorageError(SparkcvError, OSError):
    """A file system refused or failed an operation on a URL."""


class MissingFileError(StorageError, FileNotFoundError):
    """A file or folder that was wanted is not there."""


class FileExistsAlreadyError(StorageError, FileExistsError):
    """A file or folder that must not be there, or must not be overwritten, is there."""


class AccessError(StorageError, PermissionError):
    """The file system denies this user the operation."""


class UnavailableError(StorageError, ConnectionError):
    """The file system does not answer, or accepts no writes now, after the whole wait."""


class FullError(StorageError):
    """No space is left, or a quota of bytes or names is used up."""


class DataError(SparkcvError, ValueError):
    """Data at rest that is not what it should be."""


class RecordError(DataError):
    """A TFRecord frame with a wrong CRC or length, or bytes that are no Example."""


class ShardError(DataError):
    """A shard, manifest or label file that does not match the others."""


class LabelError(DataError):
    """A label out of range, or labels that disagree between splits."""


class ImageError(DataError):
    """A picture that cannot be used: its format, its size or its bytes."""


class SchemaError(DataError):
    """Rows with other columns than their table has, or a folder that holds another table."""


class BudgetError(DataError):
    """More bad records than ``--bad_record_budget`` allows."""


class CheckpointError(SparkcvError, ValueError):
    """A checkpoint that is damaged, missing, or of another model."""


class LeaseError(SparkcvError, RuntimeError):
    """A run's folder that another run holds or took over, or whose lock file cannot be trusted."""


class ProgramError(SparkcvError, RuntimeError):
    """A user's own function raised an error, or left by sys.exit; its traceback stands in the role's log."""


class ModelError(SparkcvError, ValueError):
    """An exported model whose files are not those that its ``model.json`` names."""


class ClusterError(SparkcvError, RuntimeError):
    """The Spark application cannot host the roles, or lost them."""


class RoleFailedError(ClusterError):
    """A role died or reported an error; the message is the report for the user."""


class MemoryExceededError(RoleFailedError, MemoryError):
    """The cluster manager killed a role's container for the memory that it used."""


class LaunchTimeoutError(ClusterError, TimeoutError):
    """The roles did not all start within the time given."""


class ChannelError(ClusterError, ConnectionError):
    """A message on the control channel that is malformed, unauthentic or replayed."""
