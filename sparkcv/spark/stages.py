"""Small tools round a Spark stage of numbered pieces: its rows, its progress, its failure as a sentence."""

import contextlib
import warnings
from collections.abc import Callable, Iterator

import pyarrow as pa
from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession

from sparkcv.errors import ClusterError
from sparkcv.spark.errors import known, own_error
from sparkcv.spark.job_group import group_of

__all__ = ["map_pieces", "num_done_tasks", "translated"]


def map_pieces(
    spark: SparkSession, count: int, work: Callable[[int], Iterator[pa.RecordBatch]], schema: str
) -> DataFrame:
    """Return what ``work`` gives for the pieces 0 to ``count - 1``, one task each, as rows of ``schema`` (Spark's DDL).

    ``work`` runs in the tasks' Python processes and must travel there: a function of a module, or one that closes
    over values only.
    """

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for index in batch.column(0).to_pylist():
                yield from work(index)

    with warnings.catch_warnings():
        # pyspark warns of every pandas from 3 on before it looks at Arrow; no pandas is used here.
        warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas", FutureWarning)
        return spark.range(0, count, 1, count).mapInArrow(run, schema)


def num_done_tasks(spark: SparkSession) -> Callable[[], int]:
    """Return a function that counts the finished tasks of the jobs that start from now on in this job group."""
    tracker, group = spark.sparkContext.statusTracker(), group_of(spark)
    before = set(tracker.getJobIdsForGroup(group))

    def count() -> int:
        jobs = [tracker.getJobInfo(job) for job in tracker.getJobIdsForGroup(group) if job not in before]
        stages = [tracker.getStageInfo(stage) for job in jobs if job for stage in job.stageIds]
        return sum(stage.numCompletedTasks for stage in stages if stage)

    return count


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Turn Spark's page of Java and Python traces into the one sentence that a task raised, as the error that it is."""
    try:
        yield
    except (PySparkException, Py4JError) as err:
        raise own_error(str(err)) or _of_spark(str(err)) from err


def _of_spark(text: str) -> ClusterError:
    if told := known(text):
        return ClusterError(f"the Spark stage failed: {told}")
    if "Python worker exited unexpectedly" in text or "ExecutorLostFailure" in text:
        return ClusterError(
            "a Python process on an executor died, killed or out of memory, as often as Spark tries a task; lower"
            " --batch_size, or give executors more memory (spark.executor.memoryOverhead)"
        )
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith("at ")]
    return ClusterError(f"the Spark stage failed: {' '.join(lines[:1])[:300]} [{' '.join(lines[-1:])[:300]}]")
