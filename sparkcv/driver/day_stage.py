"""The Spark stage of a day's rows, whatever they say of a picture: what is left to do, the doing, and all rows."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from sparkcv import logs
from sparkcv.driver import score_day, score_input
from sparkcv.driver.score_day import PriorDay, Todo
from sparkcv.driver.score_input import FrozenInput
from sparkcv.predict import publish, salvage
from sparkcv.predict.staging import Staging
from sparkcv.predict.task_progress import num_running_rows
from sparkcv.spark.errors import translated
from sparkcv.spark.stage_losses import StageLosses
from sparkcv.spark.stage_progress import StageProgress
from sparkcv.spark.stages import map_pieces, num_done_tasks
from sparkcv.tokens.server import TokenServerAddress, with_tokens

__all__ = ["DayStage"]

_PROGRESS, _NEW, _MISSING = "progress", "new", "missing"
_PIECE = "_piece"
_log = logs.get(__name__)


@dataclasses.dataclass(frozen=True)
class DayStage:
    """What the stage works on; ``schema`` is that of its rows, as DDL, and has the columns ``id`` and ``reason``."""

    spark: SparkSession
    staging: Staging
    frozen: FrozenInput
    place: TokenServerAddress | None
    schema: str

    @property
    def progress_url(self) -> str:
        """The folder in which tasks say how far they are."""
        return self.staging.join(_PROGRESS)

    def wanted(self, prior: PriorDay | None) -> Todo:
        """Return the rows that the day that is there has not; all where there is none."""
        if prior is None:
            return score_day.everything(self.frozen)
        wanted = self._missing(prior.ids(self.spark), _NEW)
        if wanted.num_rows:
            _log.info("%d of %d rows are new since run %s", wanted.num_rows, self.frozen.num_rows, prior.run_id)
        return wanted

    def take_over(self, prior: PriorDay | None, wanted: Todo, about: dict[str, Any]) -> tuple[Todo, DataFrame | None]:
        """Return what is left to do once the rows of killed runs of this day are taken over, and these rows.

        ``about`` is what the rows depend on: theirs must be the same.
        """
        salvage.describe(self.staging.url, about)
        with translated():
            found = salvage.find(self.spark, self.staging.leftovers, about, self.schema)
            if found is None:
                return wanted, None
            done = found.select("id")
            if prior is not None:
                done = done.unionAll(prior.ids(self.spark))
            todo = self._missing(done, _MISSING)
            rows = found.join(self.ids(wanted).select("id"), "id", "left_semi").select(found.columns)
        _log.info("%d rows are those of runs that were killed or told to end", wanted.num_rows - todo.num_rows)
        return todo, rows

    def run(
        self, work: Callable[[int], Iterator[pa.RecordBatch]], todo: Todo, batch_size: int, name: str
    ) -> tuple[str, ...]:
        """Have tasks do what is left, a piece each; return what was lost and done again meanwhile."""
        spark, pieces = self.spark, todo.pieces
        with_place = with_tokens(self.place, work)
        losses, count_done = StageLosses(spark), num_done_tasks(spark)

        def look() -> int:
            losses.look()
            return count_done()

        running = functools.partial(num_running_rows, self.progress_url, batch_size)
        with translated(), StageProgress(name, todo.num_rows, len(pieces), look, running):
            done = map_pieces(spark, len(pieces), lambda index: with_place(pieces[index]), self.schema)
            done.write.options(**salvage.COMMITTER).parquet(publish.hadoop_url(self.staging.join(salvage.SCORED)))
        losses.look()
        return losses.events

    def rows(self, todo: Todo, taken_over: DataFrame | None) -> DataFrame:
        """Return all rows of this run, those of the stage and those that were taken over."""
        parts = []
        if todo.num_rows:
            url = publish.hadoop_url(self.staging.join(salvage.SCORED), reading=True)
            parts.append(self.spark.read.schema(self.schema).parquet(url))
        if taken_over is not None:
            if _PIECE in taken_over.columns:  # pieces count anew in each run: where to find those rows nobody knows
                taken_over = taken_over.withColumn(_PIECE, F.lit(None).cast("int"))
            parts.append(taken_over)
        return functools.reduce(DataFrame.unionByName, parts)

    def ids(self, wanted: Todo) -> DataFrame:
        """Return the ids of the rows that are wanted."""
        return score_input.ids(self.spark, self.frozen, self.place) if wanted.ids is None else wanted.ids

    def _missing(self, done: DataFrame, name: str) -> Todo:
        return score_day.only_missing(self.spark, self.frozen, done, self.staging.join(name), self.place)
