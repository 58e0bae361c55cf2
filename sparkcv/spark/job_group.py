"""The Spark jobs of a block have one name, and end with it."""

import contextlib
import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING

from py4j.protocol import Py4JError

from sparkcv import logs

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["group_of", "job_group"]

_GROUP = "spark.jobGroup.id"
_log = logs.get(__name__)


@contextlib.contextmanager
def job_group(spark: "SparkSession", what: str) -> Iterator[None]:
    """Name the Spark jobs of a block; when it ends by an error, the keyboard included, they are cancelled."""
    context, group = spark.sparkContext, f"sparkcv-{uuid.uuid4().hex}"
    context.setJobGroup(group, what, interruptOnCancel=True)
    try:
        yield
    except BaseException:
        try:
            context.cancelJobGroup(group)
        except Py4JError as err:  # the JVM may be what died
            _log.warning("the Spark job was not cancelled: %s", err)
        raise
    finally:
        with contextlib.suppress(Py4JError):
            context.setLocalProperty(_GROUP, None)


def group_of(spark: "SparkSession") -> str | None:
    """Return the id of this thread's job group; None outside of one."""
    found: str | None = spark.sparkContext.getLocalProperty(_GROUP)
    return found
