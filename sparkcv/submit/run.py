"""Build, upload, and become spark-submit."""

import os
from typing import NoReturn

from sparkcv.errors import UsageError
from sparkcv.submit import package, python_archive
from sparkcv.submit.plan import SubmitPlan

__all__ = ["ready", "run"]


def ready(plan: SubmitPlan) -> None:
    """Make the package's zip and job file, and upload the archive; what is there already is left as it is.

    Raises StorageError where something cannot be written.
    """
    package.build(plan.files, plan.job)
    if plan.archive is not None:
        python_archive.upload(plan.archive)


def run(plan: SubmitPlan) -> NoReturn:
    """Become spark-submit: its exit code, its output and the signals sent to it are then this process's own.

    In YARN's cluster mode spark-submit waits for the application, and exits with 0 only for one that YARN calls
    SUCCEEDED. Raises UsageError if it cannot be started.
    """
    words = plan.command
    try:
        os.execve(words[0], words, {**os.environ, **plan.environment})  # noqa: S606 - without a shell, as it should be
    except OSError as err:
        raise UsageError(f"{words[0]} cannot be started: {err.strerror}; wanted a spark-submit") from err
