"""A folder of pictures as one Spark stage, each made into one other picture exactly once.

A task gets the number of its piece; lists and pictures it reads itself, through storage, and what it makes it writes
there: no picture crosses the border between Spark's JVM and Python. Each output appears whole or not at all, so one
which is there is done: a run that was stopped goes on where it was.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
from pyspark.sql import SparkSession

from sparkcv import logs, storage
from sparkcv.config import ScoreConfig
from sparkcv.driver import score_input
from sparkcv.driver.picture_folder import SETTINGS
from sparkcv.driver.score_input import FrozenInput
from sparkcv.driver.told_to_end import preempted
from sparkcv.errors import AtWorkError, BudgetError, DataError
from sparkcv.predict import publish
from sparkcv.predict.rows import InputFiles
from sparkcv.predict.schema import ddl
from sparkcv.predict.staging import Staging
from sparkcv.predict.task_progress import num_running_rows
from sparkcv.records.reasons import allowed
from sparkcv.spark.errors import translated
from sparkcv.spark.job_group import job_group
from sparkcv.spark.python_daemon import imported_first
from sparkcv.spark.stage_progress import StageProgress
from sparkcv.spark.stages import map_pieces, num_done_tasks
from sparkcv.style import stylizing
from sparkcv.tokens.server import TokenServerAddress, with_tokens
from sparkcv.tokens.stage import let_in

__all__ = ["Made", "PROGRESS", "PictureStage", "RESULTS", "Work"]

RESULTS, PROGRESS = "_results", "progress"
Work = Callable[[FrozenInput, Staging], Callable[[int], Iterator[pa.RecordBatch]]]
"""Prepare what a task needs, and give what it does: the number of its piece to batches of ``stylizing.RESULTS``."""

_AS_DAY = "0000-00-00"  # one run at a time works in a folder, as one does on a day of scores
_THEN = "the pictures that were made stay, the same command makes the others"


@dataclasses.dataclass(frozen=True)
class Made:
    """``num_made`` pictures, ``num_earlier`` of them there already, and rejects by their reason."""

    num_made: int
    num_earlier: int
    rejects: dict[str, int]

    def rows(self) -> list[tuple[str, str]]:
        """Return it for a report: names and texts."""
        return [
            ("pictures", f"{self.num_made} made, {sum(self.rejects.values())} rejected"),
            *(("reject", f"{count} x {logs.clean(reason)}") for reason, count in self.rejects.items()),
            *([("earlier", f"{self.num_earlier} of them were there already")] if self.num_earlier else []),
        ]


@dataclasses.dataclass(frozen=True)
class PictureStage:
    """What is made of which folder.

    Attributes:
        name: of the job, for Spark and for what is told.
        flag: that names the input.
        files: the input.
        output: the folder of the pictures made.
        settings: what they depend on, written beside them.
        file_format: of what is written; None: each picture's own.
        overwrite: whether what an earlier run made goes first.
        bad_image_budget: share of rejects above which the run fails.
        num_partitions: Spark tasks; None: by input size.
        port_range: on which the job may listen.
        imports: a module that Spark's Python processes import once for all tasks; "" for none.
    """

    name: str
    flag: str
    files: InputFiles
    output: str
    settings: dict[str, Any]
    file_format: str | None
    overwrite: bool
    bad_image_budget: float
    num_partitions: int | None
    port_range: str | None
    imports: str = ""

    def run(self, spark: SparkSession, work: Work) -> Made:
        """Make all pictures.

        Raises:
            DataError: two pictures whose outputs would have one name, or an output that does not fit the input.
            BudgetError: more rejects than ``bad_image_budget`` allows; what was made stays.
            AtWorkError: another run works in the output folder.
            PreemptedError: this process was told to end.
            ClusterError: the stage failed.
        """
        try:
            with (
                preempted(lambda: f"and stopped: {_THEN}"),
                Staging(self.output, _AS_DAY, overwrite=True) as staging,
                job_group(spark, f"{self.name} {self.files.input}"),
                imported_first(spark, self.imports or "sparkcv.style.stylizing"),
                let_in(spark, self.port_range, _THEN) as place,
            ):
                if self.overwrite:
                    _clear(self.output)
                storage.write_json(storage.join(self.output, SETTINGS), self.settings)
                return self._staged(spark, work, staging, place)
        except AtWorkError as err:
            raise AtWorkError(str(err).replace(f"{_AS_DAY} is being scored", "pictures are being stylized")) from err

    def _staged(self, spark: SparkSession, work: Work, staging: Staging, place: TokenServerAddress | None) -> Made:
        flags = ScoreConfig(
            input=self.files.input,
            model_dir=self.output,  # no model is looked at here
            output_dir=self.output,
            num_partitions=self.num_partitions,
            batch_size=1,
            keep_columns="none",
        )
        frozen = score_input.freeze(spark, flags, self.files, staging, place)
        self._refuse_one_name(spark, frozen, place)
        running = functools.partial(num_running_rows, staging.join(PROGRESS), 1)
        results, count_done = staging.join(RESULTS), num_done_tasks(spark)
        with translated(), StageProgress(self.name, frozen.num_rows, frozen.num_pieces, count_done, running):
            made = map_pieces(
                spark, frozen.num_pieces, with_tokens(place, work(frozen, staging)), ddl(stylizing.RESULTS)
            )
            made.write.parquet(publish.hadoop_url(results))
        with translated():
            written = spark.read.schema(ddl(stylizing.RESULTS)).parquet(publish.hadoop_url(results, reading=True))
            ids = score_input.ids(spark, frozen, place)
            counts = publish.reconcile(ids, written.where("reason IS NULL"), written.where("reason IS NOT NULL"))
            num_earlier = written.where("is_earlier").count()
        _publish(self.output, results)
        self._check_budget(frozen.num_rows, counts.rejects)
        return Made(counts.num_predictions, num_earlier, counts.reasons or counts.rejects)

    def _refuse_one_name(self, spark: SparkSession, frozen: FrozenInput, place: TokenServerAddress | None) -> None:
        """Raise DataError where two pictures would become one file, as ``a.gif`` and ``a.gif.png`` would."""
        names = functools.partial(stylizing.names_of_piece, frozen.pieces_url, self.file_format)
        with translated():
            listed = map_pieces(spark, frozen.num_pieces, with_tokens(place, names), "output string")
            twice = listed.groupBy("output").count().where("count > 1").limit(1).collect()
        if twice:
            raise DataError(
                f"--{self.flag}: {self.files.input!r} has {twice[0]['count']} pictures whose output would be called"
                f" {twice[0]['output']!r}; wanted names of their own, or another --format"
            )

    def _check_budget(self, num_rows: int, rejects: dict[str, int]) -> None:
        rejected, budget = sum(rejects.values()), self.bad_image_budget
        may_be_rejected = allowed(budget, num_rows)
        if rejected > may_be_rejected or rejected == num_rows:
            most = max(rejects, key=lambda head: rejects[head])
            raise BudgetError(
                f"{rejected} of {num_rows} pictures were rejected, --bad_image_budget {budget:g} allows"
                f" {min(int(may_be_rejected), num_rows - 1)}; the most frequent reason is {most!r} ({rejects[most]});"
                f" {storage.join(self.output, RESULTS)!r} has them all, and what was made stays"
            )


def _clear(output: str) -> None:
    """Delete what an earlier run made, but what says so, which is replaced; the run's own files are hidden.

    Without it a run that died here would leave pictures that no later one dares to replace.
    """
    for entry in storage.list_dir(output):
        if not entry.name.startswith(".") and entry.name != SETTINGS:
            storage.delete(entry.url, recursive=True)


def _publish(output: str, results: str) -> None:
    """Put the table of all pictures, made and rejected, where it is read; that of an earlier run goes."""
    target = storage.join(output, RESULTS)
    if storage.exists(target):
        storage.delete(target, recursive=True)
    storage.rename(results, target)
