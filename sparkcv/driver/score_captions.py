"""Captions of a day's pictures: one Spark stage from a frozen input to Parquet, every id exactly once.

It is scoring with another answer: the input is frozen, staged, reconciled and published by the same pieces.
"""

import dataclasses
import datetime
import functools
import tempfile
import time
from typing import Any

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from sparkcv import logs, storage
from sparkcv.caption import captioning
from sparkcv.caption.caption_task import CaptionNet
from sparkcv.caption.captioning import CAPTIONED, CaptionPieceTask
from sparkcv.config import ScoreCaptionsConfig, ScoreConfig
from sparkcv.config.port_range import PortRange
from sparkcv.driver import caption_net_flags, score_input
from sparkcv.driver.picture_rules import rules_of
from sparkcv.driver.score_input import FrozenInput
from sparkcv.driver.told_to_end import preempted
from sparkcv.errors import FileExistsAlreadyError, UsageError
from sparkcv.predict import claims, publish, rows
from sparkcv.predict.publish import PREDICTIONS, DayCounts
from sparkcv.predict.rows import InputFiles
from sparkcv.predict.schema import ddl
from sparkcv.predict.staging import Staging, clean_up, day_url
from sparkcv.predict.tables import REJECTS, REPORT
from sparkcv.predict.task_progress import num_running_rows
from sparkcv.rundir import checkpoint
from sparkcv.spark.errors import translated
from sparkcv.spark.job_group import job_group
from sparkcv.spark.python_daemon import imported_first
from sparkcv.spark.session import SessionSpec
from sparkcv.spark.stage_progress import StageProgress
from sparkcv.spark.stages import RETRIES, map_pieces, num_done_tasks, threads_a_task
from sparkcv.tokens.server import TokenServerAddress, with_tokens
from sparkcv.tokens.stage import let_in

__all__ = ["CaptionedDay", "ScoreCaptionsPlan", "prepare", "run"]

_EXECUTORS = 2
_LOADED_BYTES = 1.5e9  # TensorFlow, an encoder, and a batch of pictures in it
_NET, _SCORED, _PROGRESS = "net", "scored", "progress"
_THEN = "nothing was published, the same command captions the day anew"


@dataclasses.dataclass(frozen=True)
class ScoreCaptionsPlan:
    """A run that can start: its flags with full URLs and a date, its net, and its input."""

    config: ScoreCaptionsConfig
    net: CaptionNet
    files: InputFiles

    @property
    def date(self) -> str:
        """The day to publish, ``YYYY-MM-DD``."""
        return self.config.date or ""

    def session(self) -> SessionSpec:
        """Return what the captions need of Spark."""
        return SessionSpec(
            "sparkcv scorecaptions",
            num_executors=self.config.cluster_size or _EXECUTORS,
            memory_mb=self.config.executor_memory_mb,
            role_bytes=_LOADED_BYTES,
            conf=RETRIES,
            ports=PortRange.parse(self.config.port_range),
        )


@dataclasses.dataclass(frozen=True)
class CaptionedDay:
    """What was published: pictures with captions, and rejects by the heads of their reasons."""

    url: str
    checkpoint: str
    counts: DayCounts
    elapsed_s: float

    def __str__(self) -> str:
        found = [
            ("captioned", f"{self.counts.num_predictions} pictures, {sum(self.counts.rejects.values())} rejected"),
            *(("reject", f"{count} x {logs.clean(reason)}") for reason, count in self.counts.reasons.items()),
            ("checkpoint", logs.clean(self.checkpoint)),
            ("parquet", logs.clean(self.url)),
            ("took", logs.duration(self.elapsed_s)),
        ]
        return "\n".join(f"{name:<12} {text}" for name, text in found)


def prepare(config: ScoreCaptionsConfig) -> ScoreCaptionsPlan:
    """Check all that can be checked without Spark, TensorFlow or a whole listing.

    Raises what :func:`.caption_net_flags.net_of` does, and:
        UsageError: an output within the input.
        MissingFileError, DataError: no input, or none in it.
        AtWorkError: another living run works on this day.
        FileExistsAlreadyError: the day is there, and ``overwrite`` is not set.
    """
    config = dataclasses.replace(
        config,
        date=config.date or datetime.datetime.now(datetime.UTC).date().isoformat(),
        output_dir=storage.resolve(config.output_dir),
    )
    target, date = config.output_dir, str(config.date)
    publish.hadoop_url(target)
    net = caption_net_flags.net_of(config)
    files = rows.find_input(config.input)
    config = dataclasses.replace(config, input=files.input)
    if files.holds(target):
        raise UsageError(f"--output_dir: {target!r} lies in --input {files.input!r}, so output would become input")
    claims.refuse_if_claimed(target, date)
    clean_up(target)  # a day that was moved aside is back before we look for it
    _check_free(config)
    storage.check_writable(target)
    return ScoreCaptionsPlan(config, net, files)


def run(spark: SparkSession, plan: ScoreCaptionsPlan) -> CaptionedDay:
    """Caption the plan's input on the executors of ``spark`` and publish the day.

    Until the day is published nothing shows under its name.

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
    staging = Staging(config.output_dir, plan.date, overwrite=config.overwrite)
    with (
        preempted(lambda: f"and stopped: {'the day is published' if staging.is_published else _THEN}"),
        staging,
        job_group(spark, f"caption {config.input}"),
        imported_first(spark, "sparkcv.caption.captioner"),
        let_in(spark, config.port_range, _THEN) as place,
    ):
        _check_free(config)  # who had the day before us may have published it since we looked
        flags = ScoreConfig(
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
        frozen = score_input.freeze(spark, flags, plan.files, staging, place)
        _run_stage(spark, plan, staging, frozen, place)
        counts = _split(spark, staging, frozen, place)
        publish.check_budget(frozen.num_rows, counts.rejects, config.bad_image_budget)
        done = CaptionedDay(staging.day, plan.net.checkpoint, counts, time.monotonic() - started_s)
        storage.write_json(staging.join(PREDICTIONS, REPORT), _report(plan, done))
        staging.publish(PREDICTIONS)
    return done


def _check_free(config: ScoreCaptionsConfig) -> None:
    url = day_url(config.output_dir, str(config.date))
    if storage.exists(url) and not config.overwrite:
        raise FileExistsAlreadyError(f"--output_dir: {url!r} is there already; --overwrite replaces it")


def _own_net(net: CaptionNet, staging: Staging) -> CaptionNet:
    """Copy the checkpoint to the run's own folder: a training that goes on deletes its old ones."""
    found = checkpoint.locate(net.checkpoint)
    with tempfile.TemporaryDirectory(prefix="sparkcv-caption-") as scratch:
        prefix = checkpoint.fetch(found, scratch)
        storage.publish_dir(storage.parent(prefix), staging.join(_NET))
    return dataclasses.replace(net, checkpoint=staging.join(_NET, storage.basename(prefix)))


def _run_stage(
    spark: SparkSession,
    plan: ScoreCaptionsPlan,
    staging: Staging,
    frozen: FrozenInput,
    place: TokenServerAddress | None,
) -> None:
    config = plan.config
    task = CaptionPieceTask(
        net=_own_net(plan.net, staging),
        search=caption_net_flags.search_of(config),
        rules=rules_of(config),
        batch_size=config.batch_size,
        num_threads=config.num_intra_op_threads or threads_a_task(spark),
        pieces_url=frozen.pieces_url,
        progress_url=staging.join(_PROGRESS),
    )
    work = with_tokens(place, functools.partial(captioning.caption_piece, task))
    running = functools.partial(num_running_rows, task.progress_url, task.batch_size)
    count_done = num_done_tasks(spark)
    with translated(), StageProgress("caption", frozen.num_rows, frozen.num_pieces, count_done, running):
        told = map_pieces(spark, frozen.num_pieces, work, ddl(CAPTIONED))
        told.write.parquet(publish.hadoop_url(staging.join(_SCORED)))


def _split(spark: SparkSession, staging: Staging, frozen: FrozenInput, place: TokenServerAddress | None) -> DayCounts:
    """Write captions and rejects apart, and hold both against the input."""
    told = spark.read.schema(ddl(CAPTIONED)).parquet(publish.hadoop_url(staging.join(_SCORED), reading=True))
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
        return publish.reconcile(score_input.ids(spark, frozen, place), written[0], written[1])


def _report(plan: ScoreCaptionsPlan, done: CaptionedDay) -> dict[str, Any]:
    return {
        "checkpoint": done.checkpoint,
        "num_captioned": done.counts.num_predictions,
        "rejects": done.counts.rejects,
        "elapsed_s": round(done.elapsed_s, 3),
        "config": dataclasses.asdict(plan.config),
    }
