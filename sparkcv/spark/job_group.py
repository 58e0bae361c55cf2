"""The Spark jobs of a block have one name, and end with it."""

import contextlib
import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING

from py4j.protocol import Py4JError

from sparkcv import logs

if TYPE_CHECKING:
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

__all__ = ["group_of", "job_group"]

_GROUP = "spark.jobGroup.id"
_NAMED = (_GROUP, "spark.job.description", "spark.job.interruptOnCancel")
_log = logs.get(__name__)


@contextlib.contextmanager
def job_group(spark: "SparkSession", what: str) -> Iterator[None]:
    """Name the Spark jobs of a block; when it ends by an error, the keyboard included, they are cancelled.

    Behind it the session's jobs are named as before: it may be somebody else's, who goes on with it.
    """
    context, group = spark.sparkContext, f"sparkcv-{uuid.uuid4().hex}"
    before = {name: context.getLocalProperty(name) for name in _NAMED}
    context.setJobGroup(group, what, interruptOnCancel=True)
    try:
        yield
    except BaseException:
        _cancel(context, group)
        raise
    finally:
        with contextlib.suppress(Py4JError, OSError):
            for name, value in before.items():
                context.setLocalProperty(name, value)


def _cancel(context: "SparkContext", group: str) -> None:
    """Cancel a group's jobs: asked twice, as a Ctrl-C may have closed the connection that py4j asks by at first."""
    for is_last in (False, True):
        try:
            context.cancelJobGroup(group)
            return
        except (Py4JError, OSError) as err:  # the JVM may be what died
            if is_last:
                _log.warning("the Spark job was not cancelled: %s", err)


def group_of(spark: "SparkSession") -> str | None:
    """Return the id of this thread's job group; None outside of one."""
    found: str | None = spark.sparkContext.getLocalProperty(_GROUP)
    return found
