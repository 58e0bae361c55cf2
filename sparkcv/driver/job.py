"""How a job ends: one sentence and a true exit code, a traceback only for our own bugs.

YARN and Kubernetes are told the same.
"""

import contextlib
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from sparkcv import config, logs
from sparkcv.driver.interrupted import interrupts_raised
from sparkcv.driver.told_to_end import sigterm_raised
from sparkcv.errors import (
    EXIT_FAILED,
    EXIT_OK,
    AtWorkError,
    ClusterError,
    PreemptedError,
    SparkcvError,
    UnavailableError,
)
from sparkcv.spark import kubernetes, startup_deadline, yarn
from sparkcv.tokens import expiry, renewer

Config = TypeVar("Config")

# What a second attempt of the same application can get over; it goes on from the newest checkpoint.
_MAY_GO_AWAY = (ClusterError, PreemptedError, UnavailableError)


def run_main(cls: type[Config], prog: str, work: Callable[[Config], object], argv: Sequence[str] | None = None) -> int:
    """Parse the command line into ``cls``, call ``work`` with it, print what it returns, return the exit code.

    Args:
        cls: One of the configurations of :mod:`sparkcv.config`.
        prog: What the job is called, for ``--help`` and for the line that tells of an error.
        work: What the job does; what it returns is printed, being the job's report.
        argv: The words after the program's name; None: those of this process.

    Returns:
        0 for a verified success, 1 for a failure, 2 for wrong usage, 75 for a run that can be resumed.
    """
    logs.setup("driver")
    try:
        with interrupts_raised(), sigterm_raised(), _bugs_told_to_yarn(prog):
            startup_deadline.bound_storage_wait()
            settings = config.parse(cls, sys.argv[1:] if argv is None else argv, prog)
            with renewer.kept(), expiry.told():
                report = work(settings)
    except SystemExit as err:  # argparse's --help
        return EXIT_OK if err.code in (None, 0) else EXIT_FAILED
    except KeyboardInterrupt:
        return _failed(f"{prog}: stopped by the keyboard", EXIT_FAILED, may_retry=False)
    except AtWorkError as err:
        print(f"{prog}: {_safe(str(err))}")
        return EXIT_OK
    except SparkcvError as err:
        return _failed(f"{prog}: {_safe(str(err))}", err.exit_code, may_retry=isinstance(err, _MAY_GO_AWAY))
    _print(report)
    return EXIT_OK


def _print(report: object) -> None:
    """Print a report, whose reader may have gone: the job has ended well all the same."""
    try:
        print(report, flush=True)
    except BrokenPipeError:
        logs.discard_output()


def _failed(message: str, exit_code: int, *, may_retry: bool) -> int:
    print(message, file=sys.stderr, flush=True)
    kubernetes.report_end(message)
    yarn.report_end(message, exit_code, may_retry=may_retry)
    return exit_code


@contextlib.contextmanager
def _bugs_told_to_yarn(prog: str) -> Iterator[None]:
    """Let every error through, and tell YARN of a bug: it ends this process before Python shows its traceback."""
    try:
        yield
    finally:
        err = sys.exception()
        if isinstance(err, Exception) and not isinstance(err, SparkcvError) and yarn.is_cluster_mode():
            traceback.print_exception(err)
            last = traceback.format_exception_only(err)[-1].strip()
            _failed(f"{prog}: a bug of the job, see the driver's log: {_safe(last)}", EXIT_FAILED, may_retry=True)


def _safe(message: str) -> str:
    """Escape control characters, but keep the line breaks of a report."""
    return os.linesep.join(logs.clean(line) for line in message.split("\n"))
