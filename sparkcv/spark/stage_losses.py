"""What a stage lost and did again: tasks that failed, executors that died. Spark goes on without a word of it."""

import collections
from typing import TYPE_CHECKING, Any

from sparkcv import logs
from sparkcv.spark.errors import heart, loss_sentence, python_died
from sparkcv.spark.job_group import group_of

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["StageLosses"]

_MOST = 20  # so many failures are asked for their reasons
_log = logs.get(__name__)


class StageLosses:
    """Looks at the jobs that start from now on in this thread's job group; ``events`` are all sentences so far.

    Any thread may look, one at a time.
    """

    def __init__(self, spark: "SparkSession") -> None:
        self._context = spark.sparkContext
        self._tracker, self._group = self._context.statusTracker(), group_of(spark)
        self._before = set(self._tracker.getJobIdsForGroup(self._group))
        self._gone = set(self._lost_executors())
        self._counts: collections.Counter[str] = collections.Counter()
        self._executors: list[str] = []
        self._num_failed = 0

    @property
    def events(self) -> tuple[str, ...]:
        """A sentence for each executor that was lost, and for each way in which tasks failed."""
        tasks = (f"tasks that failed and were done again: {n}, {why}" for why, n in self._counts.most_common())
        return (*self._executors, *tasks)

    def look(self) -> None:
        """Look for what was lost since the last look, and log it."""
        for name, sentence in self._lost_executors().items():
            if name not in self._gone:
                self._gone.add(name)
                self._executors.append(sentence)
                _log.warning("%s; its tasks are done again", sentence)
        stages = self._stages()
        num_failed = sum(number for _, number in stages)
        if num_failed > self._num_failed:
            self._num_failed = num_failed
            before, self._counts = self._counts, self._reasons([stage for stage, _ in stages])
            for why, count in (self._counts - before).items():
                _log.warning("%d of the tasks failed and are done again: %s", count, why)

    def _stages(self) -> list[tuple[int, int]]:
        """Return the stages, and how many tasks failed in each."""
        jobs = [self._tracker.getJobInfo(job) for job in self._tracker.getJobIdsForGroup(self._group)]
        numbers = {stage for job in jobs if job and job.jobId not in self._before for stage in job.stageIds}
        found = [(stage, self._tracker.getStageInfo(stage)) for stage in sorted(numbers)]
        return [(stage, info.numFailedTasks) for stage, info in found if info and info.numFailedTasks]

    def _reasons(self, stages: list[int]) -> "collections.Counter[str]":
        jvm = self._context._jvm
        api = jvm.org.apache.spark.status.api.v1
        failed = jvm.java.util.ArrayList()
        failed.add(api.TaskStatus.FAILED)
        reasons: collections.Counter[str] = collections.Counter()
        for stage in stages:
            tasks = self._store().taskList(stage, 0, 0, _MOST, api.TaskSorting.ID, failed)
            for at in range(tasks.size()):
                error = tasks.apply(at).errorMessage()
                reasons[_sentence(str(error.get())) if error.isDefined() else "Spark gives no reason"] += 1
        return reasons

    def _lost_executors(self) -> dict[str, str]:
        executors, lost = self._store().executorList(False), {}
        for at in range(executors.size()):
            found = executors.apply(at)
            if not found.isActive():
                reason = found.removeReason()
                why = loss_sentence(str(reason.get())) if reason.isDefined() else "Spark gives no reason"
                lost[str(found.id())] = f"executor {found.id()} ({found.hostPort()}) was lost: {why}"
        return lost

    def _store(self) -> Any:
        return self._context._jsc.sc().statusStore()


def _sentence(error: str) -> str:
    if python_died(error):
        return "the Python process of a task died, killed or out of memory"
    return heart(error)
