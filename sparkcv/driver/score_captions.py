"""Captions of a day's pictures: one Spark stage from a frozen input to Parquet, every id exactly once.

It is scoring with another answer: the input is frozen, staged, reconciled and published by the same pieces.
"""

import dataclasses
import functools
import tempfile
import time
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from sparkcv import logs, storage
from sparkcv.caption import captioning
from sparkcv.caption.caption_task import CaptionNet
from sparkcv.caption.captioning import CAPTIONED, CaptionPieceTask
from sparkcv.config import ScoreCaptionsConfig, ScoreConfig
from sparkcv.driver import caption_net_flags, score_day, score_input
from sparkcv.driver.day_stage import DayStage
from sparkcv.driver.picture_rules import rules_of
from sparkcv.driver.score_captions_plan import ScoreCaptionsPlan, prepare
from sparkcv.driver.score_day import Todo
from sparkcv.driver.told_to_end import preempted
from sparkcv.errors import CheckpointError
from sparkcv.predict import publish
from sparkcv.predict.publish import PREDICTIONS, DayCounts
from sparkcv.predict.schema import ddl
from sparkcv.predict.staging import Staging
from sparkcv.predict.tables import REJECTS, REPORT
from sparkcv.rundir import checkpoint
from sparkcv.spark.errors import translated
from sparkcv.spark.job_group import job_group
from sparkcv.spark.python_daemon import imported_first
from sparkcv.spark.stages import threads_a_task
from sparkcv.tokens.stage import let_in

__all__ = ["CaptionedDay", "ScoreCaptionsPlan", "prepare", "run"]

_NET = "net"
_THEN = "nothing was published, the same command captions what is missing"


@dataclasses.dataclass(frozen=True)
class CaptionedDay:
    """What was published: pictures with captions, and rejects by the heads of their reasons."""

    url: str
    checkpoint: str
    counts: DayCounts
    elapsed_s: float
    note: str = ""

    def __str__(self) -> str:
        found = [
            ("captioned", f"{self.counts.num_predictions} pictures, {sum(self.counts.rejects.values())} rejected"),
            *(("reject", f"{count} x {logs.clean(reason)}") for reason, count in self.counts.reasons.items()),
            ("checkpoint", logs.clean(self.checkpoint)),
            ("parquet", logs.clean(self.url)),
            ("took", logs.duration(self.elapsed_s)),
            *([("note", self.note)] if self.note else []),
        ]
        return "\n".join(f"{name:<12} {text}" for name, text in found)


def run(spark: SparkSession, plan: ScoreCaptionsPlan) -> CaptionedDay:
    """Caption the plan's input on the executors of ``spark`` and publish the day.

    Until the day is published nothing shows under its name. Of a day that is there already only what is new in the
    input is captioned, and of a run of the day that was killed or told to end the captions are taken over.

    Raises:
        AtWorkError: another living run works on this day.
        CheckpointError: a checkpoint of something else, of another encoder or another vocabulary.
        DataError: no row in the input, an id twice, or an output that does not fit the input.
        BudgetError: more rejects than ``bad_image_budget`` allows, or no caption at all.
        FileExistsAlreadyError: another run published the day first.
        PreemptedError: this process was told to end, or HDFS lets it in no longer.
        ClusterError: the stage failed; the sentence says of what.
    """
    config, started_s = plan.config, time.monotonic()
    may_replace = config.overwrite or plan.prior is not None
    staging = Staging(config.output_dir, plan.date, overwrite=may_replace, forget=plan.table.forget)
    with (
        preempted(lambda: f"and stopped: {'the day is published' if staging.is_published else _THEN}"),
        staging,
        job_group(spark, f"caption {config.input}"),
        imported_first(spark, "sparkcv.caption.captioner"),
        let_in(spark, config.port_range, _THEN) as place,
    ):
        if not config.overwrite:  # who had the day before us may have published it since we looked
            plan = dataclasses.replace(plan, prior=score_day.read_prior(plan.table, plan.date, plan.about))
            staging.may_replace = plan.prior is not None
        frozen = score_input.freeze(spark, _flags(config), plan.files, staging, place)
        stage = DayStage(spark, staging, frozen, place, ddl(CAPTIONED))
        return _caption(plan, stage, started_s)


def _caption(plan: ScoreCaptionsPlan, stage: DayStage, started_s: float) -> CaptionedDay:
    """Caption what is missing, and publish the day."""
    prior, frozen, staging = plan.prior, stage.frozen, stage.staging
    wanted = stage.wanted(prior)
    if prior is not None and not wanted.num_rows:
        note = f"complete already: run {prior.run_id} captioned all {frozen.num_rows} rows of the input, none is new"
        return CaptionedDay(prior.day.where, plan.net.checkpoint, prior.add(publish.DayCounts(0, {}, {})), 0.0, note)
    todo, taken_over = stage.take_over(prior, wanted, plan.about)
    if todo.num_rows:
        task = _task(plan, stage, todo)
        try:
            stage.run(functools.partial(captioning.caption_piece, task), todo, task.batch_size, "caption")
        except CheckpointError as err:  # the user's checkpoint is what is wrong, not the run's own copy of it
            raise CheckpointError(str(err).replace(task.net.checkpoint, plan.net.checkpoint)) from err
    counts = _split(stage, wanted, stage.rows(todo, taken_over))
    if prior is not None:
        counts = prior.add(counts)
    num_rows = counts.num_predictions + sum(counts.rejects.values())
    publish.check_budget(num_rows, counts.rejects, plan.config.bad_image_budget)
    note = f"{todo.num_rows} captioned by this run, {num_rows - todo.num_rows} were there" * (todo.num_rows < num_rows)
    done = CaptionedDay(staging.day, plan.net.checkpoint, counts, time.monotonic() - started_s, note)
    if prior is not None:
        plan.table.carry_over(prior.day, staging.join(PREDICTIONS))
    storage.write_json(staging.join(PREDICTIONS, REPORT), _report(plan, done, staging.run_id))
    if prior is not None:
        prior.check_is_still_there()
    plan.table.publish(staging, PREDICTIONS, None if prior is None else prior.day, "")
    return done


def _flags(config: ScoreCaptionsConfig) -> ScoreConfig:
    """Return what scoring's input is frozen by."""
    return ScoreConfig(
        input=config.input,
        model_dir=config.output_dir,  # no model is looked at here
        output_dir=config.output_dir,
        input_column=config.input_column,
        id_column=config.id_column,
        exif_orientation=config.exif_orientation,
        num_partitions=config.num_partitions,
        batch_size=config.batch_size,
        keep_columns="none",
    )


def _own_net(net: CaptionNet, staging: Staging) -> CaptionNet:
    """Copy the checkpoint to the run's own folder: a training that goes on deletes its old ones."""
    found = checkpoint.locate(net.checkpoint)
    with tempfile.TemporaryDirectory(prefix="sparkcv-caption-") as scratch:
        prefix = checkpoint.fetch(found, scratch)
        storage.publish_dir(storage.parent(prefix), staging.join(_NET))
    return dataclasses.replace(net, checkpoint=staging.join(_NET, storage.basename(prefix)))


def _task(plan: ScoreCaptionsPlan, stage: DayStage, todo: Todo) -> CaptionPieceTask:
    config = plan.config
    return CaptionPieceTask(
        net=_own_net(plan.net, stage.staging),
        search=caption_net_flags.search_of(config),
        rules=rules_of(config),
        batch_size=config.batch_size,
        num_threads=config.num_intra_op_threads or threads_a_task(stage.spark),
        pieces_url=stage.frozen.pieces_url,
        progress_url=stage.progress_url,
        only_url=todo.only_url,
    )


def _split(stage: DayStage, wanted: Todo, told: DataFrame) -> DayCounts:
    """Write captions and rejects apart, and hold both against the input."""
    spark, staging = stage.spark, stage.staging
    parts = (
        (staging.join(PREDICTIONS), told.where("reason IS NULL AND captions IS NOT NULL").select("id", "captions")),
        (
            staging.join(PREDICTIONS, REJECTS),
            told.where("reason IS NOT NULL").select(
                "id", F.substring_index("reason", ":", 1).alias("reason_class"), "reason", "where"
            ),
        ),
    )
    written = []
    with translated():
        for url, part in parts:
            part.write.parquet(publish.hadoop_url(url))
            written.append(spark.read.schema(part.schema).parquet(publish.hadoop_url(url, reading=True)))
        return publish.reconcile(stage.ids(wanted), written[0], written[1])


def _report(plan: ScoreCaptionsPlan, done: CaptionedDay, run_id: str) -> dict[str, Any]:
    return {
        **plan.about,
        "run_id": run_id,
        "checkpoint": done.checkpoint,
        "num_predictions": done.counts.num_predictions,
        **{name: getattr(done.counts, name) for name in ("rejects", "reasons", "marks")},
        "elapsed_s": round(done.elapsed_s, 3),
        "config": dataclasses.asdict(plan.config),
    }
