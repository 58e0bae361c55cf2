"""Before Spark: in YARN's cluster mode a driver that waits for storage must give up before YARN gives it up.

The ApplicationMaster waits ``spark.yarn.am.waitTime`` (100 s) for the first SparkContext, then says no more than "Timed
out waiting for SparkContext". A job checks its dataset and folders before that, and storage may wait longer for a
NameNode: then the storage's own sentence would never be shown.
"""

import os

from sparkcv.spark import yarn
from sparkcv.storage.hdfs import retry

__all__ = ["bound_storage_wait", "lift_storage_wait"]

_MARGIN_S = 25.0  # for the last try, the words of the error, and Spark's own start if storage comes back late
_LEAST_S = 5.0
_own: dict[str, str | None] = {}


def bound_storage_wait() -> None:
    """Let storage wait no longer than there is time until Spark has to run; raises UsageError for a bad variable."""
    left_s = yarn.start_time_left_s()
    if left_s is None:
        return
    most_s = max(left_s - _MARGIN_S, _LEAST_S)
    if retry.wait_s() > most_s:
        _own[retry.WAIT_VARIABLE] = os.environ.get(retry.WAIT_VARIABLE)
        os.environ[retry.WAIT_VARIABLE] = f"{most_s:.0f}"


def lift_storage_wait() -> None:
    """Let storage wait as long as the user said, now that Spark starts; fine if nothing was bounded."""
    while _own:
        name, value = _own.popitem()
        if value is None:
            del os.environ[name]
        else:
            os.environ[name] = value
