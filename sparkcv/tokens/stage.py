"""Give the Python processes of Spark's stages access to HDFS for as long as the stages take, or end these in time."""

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from sparkcv.config.port_range import PortRange
from sparkcv.errors import PreemptedError, SparkcvError
from sparkcv.spark.job_group import group_of
from sparkcv.spark.session import bind_host
from sparkcv.tokens import expiry
from sparkcv.tokens.server import TokenServer, TokenServerAddress

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["let_in"]


@contextlib.contextmanager
def let_in(spark: "SparkSession", port_range: str | None, then: str) -> Iterator[TokenServerAddress | None]:
    """Give the address where tasks get their tokens, None where there are none to give.

    Before the driver's own access ends, the jobs of this thread's job group are cancelled: what that raises
    becomes a PreemptedError, which says why and ``then``.
    """
    context, group = spark.sparkContext, group_of(spark)
    expiry.tell()
    with (
        TokenServer(*bind_host(spark), PortRange.parse(port_range)) as server,
        expiry.stopped_at_the_end(lambda: context.cancelJobGroup(group)) as why,
    ):
        try:
            yield server.address
        except SparkcvError as err:
            if why():
                raise PreemptedError(f"{why()}; {then}") from err
            raise
