"""The SparkContext as a stock TFCluster gets it: what it starts can be cancelled, and nothing else is its own.

Left alone, TFCluster cancels all jobs of the application, stops its SparkContext and waits for jobs of others.
"""

import threading
from collections.abc import Callable
from typing import Any

from sparkcv.errors import ClusterError
from sparkcv.spark.errors import spark_sentence

__all__ = ["ScopedContext"]


class ScopedContext:
    """Stand for ``context`` towards TFCluster, for jobs of one group.

    ``error`` is why the first of them, that of the nodes, failed; "" if it did not.
    """

    def __init__(self, context: Any, group: str, name: str):
        self._context, self._group, self._name = context, group, name
        self._is_cancelled = threading.Event()
        self.error = ""
        self.is_first_over = threading.Event()

    @property
    def _jsc(self) -> Any:
        return self._context._jsc  # TFCluster reads Hadoop's default file system by it

    def parallelize(self, *args: Any) -> "_ScopedRdd":
        """Do as SparkContext does."""
        return _ScopedRdd(self, self._context.parallelize(*args))

    def statusTracker(self) -> "_ScopedTracker":
        """Do as SparkContext does, but for the jobs of this group."""
        return _ScopedTracker(self._context.statusTracker(), self._group)

    def cancelAllJobs(self) -> None:
        """Cancel the jobs of this group, and let no more begin."""
        self._is_cancelled.set()
        self._context.cancelJobGroup(self._group)

    def stop(self) -> None:
        """Do nothing: the session is not TFCluster's."""

    def run(self, job: Callable[[], None]) -> None:
        """Run a job of this group, in whichever thread TFCluster does that."""
        self._context.setJobGroup(self._group, self._name)
        try:
            if self._is_cancelled.is_set():
                raise ClusterError("the launch was cancelled")
            job()
        except Exception as err:
            if not self.is_first_over.is_set():
                self.error = spark_sentence(err)
            raise
        finally:
            self.is_first_over.set()


class _ScopedRdd:
    def __init__(self, context: ScopedContext, rdd: Any):
        self._context, self._rdd = context, rdd

    def foreachPartition(self, function: Any) -> None:
        self._context.run(lambda: self._rdd.foreachPartition(function))


class _ScopedTracker:
    def __init__(self, tracker: Any, group: str):
        self._tracker, self._group = tracker, group

    def getActiveJobsIds(self) -> list[int]:
        return sorted(set(self._tracker.getActiveJobsIds()) & set(self._tracker.getJobIdsForGroup(self._group)))

    def getActiveStageIds(self) -> list[int]:
        jobs = [self._tracker.getJobInfo(job) for job in self.getActiveJobsIds()]
        ours = {stage for job in jobs if job is not None for stage in job.stageIds}
        return sorted(ours & set(self._tracker.getActiveStageIds()))

    def getStageInfo(self, stage: int) -> Any:
        return self._tracker.getStageInfo(stage)
