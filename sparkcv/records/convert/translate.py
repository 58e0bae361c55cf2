"""What a Spark task raised, as the error it was: Spark hands it to the driver as the text of a traceback."""

import contextlib
import re
from collections.abc import Iterator

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException

from sparkcv import errors
from sparkcv.cluster.spark_errors import known
from sparkcv.errors import ClusterError, SparkcvError

_PYTHON_ERROR = re.compile(r"^(?:[\w.]+\.)?(\w+(?:Error|Exception)): (.+)$", re.MULTILINE)


@contextlib.contextmanager
def spark_errors(job: str = "the conversion's Spark job") -> Iterator[None]:
    """Raise the error of ours that a task of ``job`` raised; whatever else ended it is a ClusterError."""
    try:
        yield
    except (PySparkException, Py4JError) as err:
        told = _PYTHON_ERROR.findall(str(err))
        for name, message in told:
            kind = getattr(errors, name, None)
            if isinstance(kind, type) and issubclass(kind, SparkcvError):
                raise kind(message) from err
        if cause := known(str(err)):
            raise ClusterError(f"{job} failed: {cause}") from err
        last = ": ".join(told[-1]) if told else str(err).strip().split("\n")[0]
        raise ClusterError(f"{job} failed: {last}") from err
