"""A Spark stage of numbered pieces: its rows and its progress."""

import warnings
from collections.abc import Callable, Iterator

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

from sparkcv import container
from sparkcv.spark.job_group import group_of

__all__ = ["RETRIES", "map_pieces", "num_done_tasks", "threads_a_task"]

RETRIES = {"spark.task.maxFailures": "4", "spark.stage.maxConsecutiveAttempts": "4"}
"""Spark's settings by which a task that lost its executor or its Python process is tried again, on any master."""


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


def threads_a_task(spark: SparkSession) -> int:
    """Return a task's threads, so that tasks x threads = cores; executors that share this machine share its cores."""
    if spark.sparkContext.master.startswith("local"):
        return max(1, container.cores() // spark.sparkContext.defaultParallelism)
    return int(spark.sparkContext.getConf().get("spark.task.cpus", "1"))
