"""Where a Spark task may keep files on the disk of its host, so that they are gone when the application is.

Spark tells its Python processes their executor's block folders (SPARK_LOCAL_DIRS), and YARN tells the application's
own folders (LOCAL_DIRS). Two answers, since what survives a killed executor differs.
"""

import os
import tempfile

__all__ = ["application_dir", "scratch_root"]


def application_dir() -> str:
    """Return a folder that goes with the application or its executor, for copies that nobody else deletes.

    On YARN all executors of the application on a host share it.
    """
    named = os.environ.get("LOCAL_DIRS") or os.environ.get("SPARK_LOCAL_DIRS") or tempfile.gettempdir()
    return named.split(",")[0]


def scratch_root() -> str:
    """Return the folder for ``scratch.scratch_dir``, or the working folder outside of Spark.

    It is the one around the first block folder: a block folder goes with the executor only if that ends in good order,
    and stays where it is killed, while the one around it is removed by whoever made it: YARN, Spark's worker, or the
    driver. Where Spark runs in one process it may be ``/tmp``, where only ``scratch.sweep`` deletes what was left.
    """
    block_folder = os.environ.get("SPARK_LOCAL_DIRS", "").split(",")[0]
    return os.path.dirname(block_folder) if block_folder else os.getcwd()
