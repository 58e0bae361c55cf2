"""Scoring a day's pictures: one Spark stage from a frozen input to Parquet, every id exactly once.

A task gets the number of its piece and gives back answers. Lists, pictures and model it reads itself, through
storage: neither pixels nor encoded pictures ever cross the border between Spark's JVM and Python.
"""

import dataclasses
import datetime
import functools
import os
import socket
import tempfile
import time
from collections.abc import Iterator

import pyarrow as pa
from pyspark import SparkFiles
from pyspark.sql import DataFrame, SparkSession

from sparkcv import logs, storage
from sparkcv.config import ScoreConfig
from sparkcv.config.pictures import parse_background, parse_formats
from sparkcv.config.port_range import PortRange
from sparkcv.doctor import estimate
from sparkcv.errors import DataError, FileExistsAlreadyError, UsageError
from sparkcv.predict import manifest as manifests
from sparkcv.predict import publish, rows, tasks
from sparkcv.predict.fetching import fetch_model
from sparkcv.predict.manifest import ModelManifest
from sparkcv.predict.predictor import check_top_k
from sparkcv.predict.report import ScoreReport
from sparkcv.predict.rows import InputFiles, InputPart
from sparkcv.predict.staging import Staging, day_url
from sparkcv.predict.tasks import ScoreTask
from sparkcv.preprocess.picture_file import PictureRules
from sparkcv.spark.errors import translated
from sparkcv.spark.job_group import job_group
from sparkcv.spark.python_daemon import imported_first
from sparkcv.spark.session import SessionSpec
from sparkcv.spark.stage_progress import StageProgress
from sparkcv.spark.stages import map_pieces, num_done_tasks
from sparkcv.tokens.server import TokenServerAddress, with_tokens
from sparkcv.tokens.stage import let_in

__all__ = ["ScorePlan", "ScoreReport", "prepare", "run"]

# A task that lost its executor or its Python process is tried again: its rows are written by a committer.
_SPARK_CONF = {"spark.task.maxFailures": "4", "spark.stage.maxConsecutiveAttempts": "4"}
_EXECUTORS = 2

_MODEL, _PIECES, _LISTS, _SCORED = "model", "pieces", "lists", "scored"
_log = logs.get(__name__)


@dataclasses.dataclass(frozen=True)
class ScorePlan:
    """A run that can start: its flags with full URLs and a date, the kind of its input, and its model."""

    config: ScoreConfig
    files: InputFiles
    manifest: ModelManifest

    @property
    def date(self) -> str:
        """The day to publish, ``YYYY-MM-DD``."""
        return self.config.date or ""

    def session(self) -> SessionSpec:
        """Return what the scoring needs of Spark."""
        return SessionSpec(
            "sparkcv score",
            num_executors=self.config.cluster_size or _EXECUTORS,
            memory_mb=self.config.executor_memory_mb,
            role_bytes=estimate.scorer(self.manifest.model_name, self.manifest.image_size, self.config.batch_size),
            conf=_SPARK_CONF,
            ports=PortRange.parse(self.config.port_range),
        )


def prepare(config: ScoreConfig) -> ScorePlan:
    """Check all that can be checked without Spark, TensorFlow or a whole listing.

    Raises:
        UsageError: flags that can never work together, such as more ``top_k`` than the model has classes.
        MissingFileError, DataError: no input, or none in it; no model.
        ModelError: a ``model.json`` that is not as exported.
        FileExistsAlreadyError: the day is there, and ``overwrite`` is not set.
    """
    config = dataclasses.replace(
        config,
        date=config.date or datetime.datetime.now(datetime.UTC).date().isoformat(),
        input=storage.resolve(config.input or ""),
        model_dir=storage.resolve(config.model_dir or ""),
        output_dir=storage.resolve(config.output_dir or ""),
    )
    source, target = str(config.input), str(config.output_dir)
    publish.hadoop_url(target)
    if f"{target}/".startswith(f"{source}/"):
        raise UsageError(f"--output_dir: {target!r} lies in --input {source!r}, so output would become input")
    day = day_url(target, str(config.date))
    if storage.exists(day) and not config.overwrite:
        raise FileExistsAlreadyError(f"{day!r} is there already; --overwrite replaces it")
    manifest = manifests.read_manifest(str(config.model_dir))
    check_top_k(config.top_k, manifest)
    files = rows.find_input(source)
    storage.check_writable(target)
    return ScorePlan(config, files, manifest)


def run(spark: SparkSession, plan: ScorePlan) -> ScoreReport:
    """Score the plan's input on the executors of ``spark`` and publish the day.

    Until the last rename nothing shows under the day's name; whatever goes wrong, the staging folder is deleted, by
    this run or by the next.

    Raises:
        ModelError: a file of the model is not as exported.
        DataError: no row in the input, an id twice, or an output that does not fit the input.
        BudgetError: more rejects than ``bad_image_budget`` allows.
        FileExistsAlreadyError: another run published the day first.
        ClusterError: the stage failed; the sentence says of what.
    """
    config = plan.config
    with (
        # In Spark's own folder, which its JVM deletes even after this process was killed.
        tempfile.TemporaryDirectory(prefix="model-", dir=SparkFiles.getRootDirectory()) as local,
        Staging(str(config.output_dir), plan.date, overwrite=config.overwrite) as staging,
        job_group(spark, f"score {config.input}"),
        imported_first(spark, "sparkcv.predict.engines.decoding"),
        let_in(spark, config.port_range, "nothing was published, the same command scores it anew") as place,
    ):
        # The run's own copy: whoever replaces the model meanwhile does not change what this run scores with.
        _, folder = fetch_model(str(config.model_dir), local, digest=plan.manifest.digest)
        storage.publish_dir(folder, staging.join(_MODEL))
        num_pieces, num_rows = _freeze(spark, plan, staging, place)
        task = _task(spark, plan, staging, local)
        started_s = time.monotonic()
        _run_stage(spark, task, num_pieces, num_rows, staging.join(_SCORED), place)
        elapsed_s = time.monotonic() - started_s
        num_predictions, rejects = _finish(spark, staging, num_pieces, num_rows, place)
        publish.check_budget(num_rows, rejects, config.bad_image_budget)
        report = ScoreReport(
            num_predictions=num_predictions,
            rejects=rejects,
            elapsed_s=elapsed_s,
            input=str(config.input),
            model=str(config.model_dir),
            model_digest=plan.manifest.digest,
            predictions_url=staging.day,
            rejects_url=storage.join(staging.day, publish.REJECTS),
        )
        storage.write_json(staging.join(publish.PREDICTIONS, "_report.json"), report.to_dict())
        staging.publish(publish.PREDICTIONS)
    return report


def _freeze(
    spark: SparkSession, plan: ScorePlan, staging: Staging, place: TokenServerAddress | None
) -> tuple[int, int]:
    """Write down what is scored; return the numbers of pieces and rows."""
    config, slots = plan.config, spark.sparkContext.defaultParallelism
    parts = rows.list_parts(
        plan.files,
        staging.join(_LISTS),
        input_column=config.input_column,
        id_column=config.id_column,
        image_feature=config.image_feature,
        use_exif=bool(config.exif_orientation),
    )
    parts = _counted(spark, parts, staging, place)
    num_rows = rows.count_rows(parts)
    if not num_rows:
        raise DataError(f"--input: no row in {config.input!r}, wanted at least one picture")
    num_pieces = min(config.num_partitions or rows.num_pieces(num_rows, slots, config.batch_size), num_rows)
    tasks.write_pieces(rows.split(parts, num_pieces), staging.join(_PIECES))
    _log.info("%d rows of %s in %d tasks", num_rows, plan.files.kind, num_pieces)
    if plan.files.kind == "table":  # the other kinds make their own ids
        _refuse_duplicates(spark, staging, num_pieces, str(config.input), place)
    return num_pieces, num_rows


def _counted(
    spark: SparkSession, parts: list[InputPart], staging: Staging, place: TokenServerAddress | None
) -> list[InputPart]:
    """Count the shards that no manifest vouches for, on the executors."""
    unknown = [part for part in parts if part.stop is None]
    if not unknown:
        return parts
    _log.info("%d shards have no manifest.json: their records are counted first", len(unknown))
    url = staging.join("uncounted")
    tasks.write_pieces([[part] for part in unknown], url)

    def count(index: int) -> Iterator[pa.RecordBatch]:
        yield pa.RecordBatch.from_pydict({"index": [index], "rows": [tasks.count_piece(url, index)]})

    with translated():
        found = map_pieces(spark, len(unknown), with_tokens(place, count), "index long, rows long").collect()
        counts = dict(map(tuple, found))
    counted = iter([dataclasses.replace(part, stop=counts[index]) for index, part in enumerate(unknown)])
    return [next(counted) if part.stop is None else part for part in parts]


def _refuse_duplicates(
    spark: SparkSession, staging: Staging, num_pieces: int, where: str, place: TokenServerAddress | None
) -> None:
    with translated():
        twice = _ids(spark, staging, num_pieces, place).groupBy("id").count().where("count > 1").limit(1).collect()
    if twice:
        raise DataError(f"--input: {where!r} has the id {twice[0]['id']!r} {twice[0]['count']} times, wanted each once")


def _task(spark: SparkSession, plan: ScorePlan, staging: Staging, local: str) -> ScoreTask:
    config = plan.config
    return ScoreTask(
        pieces_url=staging.join(_PIECES),
        model_url=staging.join(_MODEL),
        model_digest=plan.manifest.digest,
        batch_size=config.batch_size,
        top_k=config.top_k,
        rules=PictureRules(
            config.max_pixels,
            parse_formats(config.formats),
            parse_background(config.background),
            use_orientation=config.exif_orientation is not False,
            compress_level=0,  # decoded at once, and kept nowhere
        ),
        num_threads=config.num_intra_op_threads or _threads(spark),
        cache_host=socket.gethostname(),
        cache_dir=local,
    )


def _threads(spark: SparkSession) -> int:
    """Return a task's threads, so that tasks x threads = cores; executors that share this machine share its cores."""
    if spark.sparkContext.master.startswith("local"):
        return max(1, (os.cpu_count() or 1) // spark.sparkContext.defaultParallelism)
    return int(spark.sparkContext.getConf().get("spark.task.cpus", "1"))


def _run_stage(
    spark: SparkSession, task: ScoreTask, num_pieces: int, num_rows: int, url: str, place: TokenServerAddress | None
) -> None:
    work = with_tokens(place, functools.partial(tasks.score_piece, task))
    with translated(), StageProgress("score", num_rows, num_pieces, num_done_tasks(spark)):
        map_pieces(spark, num_pieces, work, publish.SCORED_SCHEMA).write.parquet(publish.hadoop_url(url))


def _finish(
    spark: SparkSession, staging: Staging, num_pieces: int, num_rows: int, place: TokenServerAddress | None
) -> tuple[int, dict[str, int]]:
    with translated():
        predictions, rejects = publish.split_scored(spark, staging, _SCORED, num_rows)
        return publish.reconcile(_ids(spark, staging, num_pieces, place), predictions, rejects)


def _ids(spark: SparkSession, staging: Staging, num_pieces: int, place: TokenServerAddress | None) -> DataFrame:
    work = with_tokens(place, functools.partial(tasks.piece_ids, staging.join(_PIECES)))
    return map_pieces(spark, num_pieces, work, "id string")
