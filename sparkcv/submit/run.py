"""Build, upload, and become spark-submit."""

import os

from sparkcv.errors import UsageError
from sparkcv.submit import on_kubernetes, package, python_archive
from sparkcv.submit.plan import SubmitPlan

__all__ = ["ready", "run"]


def ready(plan: SubmitPlan) -> None:
    """Make the package's zip and job file, and upload the archive; what is there already is left as it is.

    Raises StorageError where something cannot be written.
    """
    if plan.options.is_kubernetes and plan.options.is_cluster_mode:
        return  # the image has all of it
    package.build(plan.files, plan.job)
    if plan.archive is not None:
        python_archive.upload(plan.archive)


def run(plan: SubmitPlan) -> int:
    """Become spark-submit: its exit code, its output and the signals sent to it are then this process's own.

    In YARN's cluster mode spark-submit waits for the application, and exits with 0 only for one that YARN calls
    SUCCEEDED. In that of Kubernetes it does not: its driver's pod is followed here, and its exit code returned. Raises
    UsageError if spark-submit cannot be started, and ClusterError as :func:`~.on_kubernetes.submit_and_follow` does.
    """
    words = plan.command
    if plan.options.is_kubernetes and plan.options.is_cluster_mode:
        return on_kubernetes.submit_and_follow(words, plan.environment, plan.options.master or "", plan.properties)
    try:
        os.execve(words[0], words, {**os.environ, **plan.environment})  # noqa: S606 - without a shell, as it should be
    except OSError as err:
        raise UsageError(f"{words[0]} cannot be started: {err.strerror}; wanted a spark-submit") from err
