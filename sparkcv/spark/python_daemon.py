"""pyspark's daemon of an executor, which has imported what its tasks need before it forks a Python worker for them.

pyspark's own leaves that to each worker: 0.2 s of CPU each, 2.5 s where a task needs TensorFlow, the memory of which
forked workers share. Only what a fork does no harm to is imported here, as a thread does not survive it: pandas and
pyarrow, which start some, are left to the workers. TensorFlow starts none before its first session, and the one that
numpy's OpenBLAS starts it starts again in each fork.
"""

import contextlib
import importlib
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from sparkcv.imports import hidden, uncollected

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["MODULE", "imported_first", "main"]

MODULE = "sparkcv.spark.python_daemon"
_NEEDED = ("fsspec", "hdfs_native", "psutil", "sparkcv.channel.control", "sparkcv.spark.session", "sparkcv.storage")
_FURTHER = "SPARKCV_IMPORT_FIRST"


@contextlib.contextmanager
def imported_first(spark: "SparkSession", name: str) -> Iterator[None]:
    """Have the Python workers of what is made inside forked from daemons that have imported the module ``name`` too.

    An executor has a daemon for each set of variables that its workers want. Where Spark has another daemon than this
    one, the workers import it themselves, as ever.
    """
    context = spark.sparkContext
    if context.getConf().get("spark.python.daemon.module") != MODULE:
        yield
        return
    wanted = {_FURTHER: name, "TF_CPP_MIN_LOG_LEVEL": os.environ.get("TF_CPP_MIN_LOG_LEVEL", "2")}
    before = dict(context.environment)
    context.environment.update(wanted)
    try:
        yield
    finally:
        context.environment.clear()
        context.environment.update(before)


def main() -> None:
    """Import, and serve as pyspark's daemon does, until the executor closes standard input."""
    from pyspark import daemon

    with uncollected(is_kept=True), hidden("pandas"):  # Keras imports pandas if it can, and that imports pyarrow
        for name in (*_NEEDED, *filter(None, [os.environ.get(_FURTHER)])):
            # What cannot be imported here a worker cannot import either, and says so in its task.
            with contextlib.suppress(Exception):
                importlib.import_module(name)
    daemon.manager()


if __name__ == "__main__":
    main()
