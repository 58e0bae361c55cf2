"""pyspark's daemon of an executor, which has imported what most tasks need before it forks a Python worker for them.

pyspark's own leaves that to each worker, 0.2 s of CPU each. Only what starts no thread is imported here, as a thread
does not survive a fork: numpy, pandas and pyarrow, which may start some, and TensorFlow are left to the workers.
"""

import contextlib
import importlib

from pyspark import daemon

# What is missing here the worker misses too, and says so.
_NEEDED = ("fsspec", "hdfs_native", "psutil", "sparkcv.channel.control", "sparkcv.spark.session", "sparkcv.storage")


def main() -> None:
    """Import, and serve as pyspark's daemon does, until the executor closes standard input."""
    for name in _NEEDED:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    daemon.manager()


if __name__ == "__main__":
    main()
