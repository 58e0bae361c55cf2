"""How a job ends: one sentence and a true exit code, a traceback only for our own bugs."""

import os
import sys
from collections.abc import Callable, Sequence
from typing import TypeVar

from sparkcv import config, logs
from sparkcv.errors import EXIT_FAILED, EXIT_OK, SparkcvError

Config = TypeVar("Config")


def run_job(cls: type[Config], prog: str, work: Callable[[Config], object], argv: Sequence[str] | None = None) -> int:
    """Parse the command line into ``cls``, call ``work`` with it, print what it returns, give the exit code.

    Args:
        cls: One of the configurations of :mod:`sparkcv.config`.
        prog: The job's file name, for ``--help`` and for the line that tells of an error.
        work: The one library call of the job; what it returns is printed, being the job's report.
        argv: The words after the program's name; None: those of this process.

    Returns:
        0 for a verified success, 1 for a failure, 2 for wrong usage, 75 for a run that can be resumed.
    """
    logs.setup("driver")
    try:
        report = work(config.parse(cls, sys.argv[1:] if argv is None else argv, prog))
    except SystemExit as err:  # argparse's --help
        return EXIT_OK if err.code in (None, 0) else EXIT_FAILED
    except KeyboardInterrupt:
        print(f"{prog}: stopped by the keyboard", file=sys.stderr)
        return EXIT_FAILED
    except SparkcvError as err:
        print(f"{prog}: {_safe(str(err))}", file=sys.stderr)
        return err.exit_code
    print(report)
    return EXIT_OK


def _safe(message: str) -> str:
    """Escape control characters, but keep the line breaks of a report."""
    return os.linesep.join(logs.clean(line) for line in message.split("\n"))
