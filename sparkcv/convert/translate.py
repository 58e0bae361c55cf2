"""What a Spark task raised, as the error it was: Spark hands it to the driver as the text of a traceback."""

import contextlib
from collections.abc import Iterator

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException

from sparkcv.errors import ClusterError
from sparkcv.spark.errors import heart, own_error


@contextlib.contextmanager
def spark_errors(job: str = "the conversion's Spark job") -> Iterator[None]:
    """Raise the error of ours that a task of ``job`` raised; whatever else ended it is a ClusterError."""
    try:
        yield
    except (PySparkException, Py4JError) as err:
        text = str(err)
        raise own_error(text) or ClusterError(f"{job} failed: {heart(text)}") from err
