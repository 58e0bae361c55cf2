"""Scoring a day's pictures: one Spark stage from a frozen input to Parquet, every id exactly once.

A task gets the number of its piece and gives back answers. Lists, pictures and model it reads itself, through
storage: neither pixels nor encoded pictures ever cross the border between Spark's JVM and Python.
"""

import dataclasses
import datetime
import functools
import socket
import tempfile
import time

from pyspark import SparkFiles
from pyspark.sql import SparkSession

from sparkcv import logs, storage
from sparkcv.config import ScoreConfig
from sparkcv.config.pictures import parse_background, parse_formats
from sparkcv.config.port_range import PortRange
from sparkcv.doctor import estimate
from sparkcv.driver import score_day, score_input
from sparkcv.driver.score_day import PriorDay, Todo
from sparkcv.driver.score_input import FrozenInput
from sparkcv.driver.told_to_end import preempted
from sparkcv.errors import MissingFileError, UsageError
from sparkcv.predict import manifest as manifests
from sparkcv.predict import publish, rows, tasks
from sparkcv.predict.fetching import fetch_model
from sparkcv.predict.manifest import ModelManifest
from sparkcv.predict.predictor import check_top_k
from sparkcv.predict.report import ScoreReport
from sparkcv.predict.rows import InputFiles
from sparkcv.predict.schema import ddl, scored_schema
from sparkcv.predict.staging import DAY, Staging, clean_up, day_url
from sparkcv.predict.task_progress import num_running_rows
from sparkcv.predict.tasks import ScoreTask
from sparkcv.preprocess.picture_file import PictureRules
from sparkcv.spark.errors import translated
from sparkcv.spark.job_group import job_group
from sparkcv.spark.python_daemon import imported_first
from sparkcv.spark.session import SessionSpec
from sparkcv.spark.stage_losses import StageLosses
from sparkcv.spark.stage_progress import StageProgress
from sparkcv.spark.stages import map_pieces, num_done_tasks, threads_a_task
from sparkcv.tokens.server import TokenServerAddress, with_tokens
from sparkcv.tokens.stage import let_in

__all__ = ["ScorePlan", "ScoreReport", "prepare", "run"]

# A task that lost its executor or its Python process is tried again: its rows are written by a committer.
_SPARK_CONF = {"spark.task.maxFailures": "4", "spark.stage.maxConsecutiveAttempts": "4"}
_EXECUTORS = 2

_MODEL, _PROGRESS, _SCORED = "model", "progress", "scored"
_THEN = "nothing was published, the same command scores it anew"
_log = logs.get(__name__)


@dataclasses.dataclass(frozen=True)
class ScorePlan:
    """A run that can start: its flags with full URLs and a date, the kind of its input, its model.

    ``prior`` is the day that is there already and that this run completes; None where it makes a new one.
    """

    config: ScoreConfig
    files: InputFiles
    manifest: ModelManifest
    prior: PriorDay | None = None

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
        FileExistsAlreadyError: the day is there, of another model, input or setting, and ``overwrite`` is not set.
    """
    config = dataclasses.replace(
        config,
        date=config.date or datetime.datetime.now(datetime.UTC).date().isoformat(),
        model_dir=storage.resolve(config.model_dir or ""),
        output_dir=storage.resolve(config.output_dir or ""),
    )
    target = str(config.output_dir)
    publish.hadoop_url(target)
    manifest = manifests.read_manifest(str(config.model_dir))
    check_top_k(config.top_k, manifest)
    files = _find_input(config.input)
    config = dataclasses.replace(config, input=files.input)
    if files.holds(target):
        raise UsageError(f"--output_dir: {target!r} lies in --input {files.input!r}, so output would become input")
    clean_up(target)  # a day that a dead run had moved aside comes back before anything looks for it
    prior = None if config.overwrite else score_day.read_prior(day_url(target, str(config.date)), config, manifest)
    storage.check_writable(target)
    return ScorePlan(config, files, manifest, prior)


def _find_input(given: str) -> InputFiles:
    try:
        return rows.find_input(given)
    except MissingFileError:
        # It may be a day of scores whose replacement died half way, which nobody has scored into since.
        if DAY.fullmatch(storage.basename(given)) and clean_up(storage.parent(storage.resolve(given))):
            return rows.find_input(given)
        raise


def run(spark: SparkSession, plan: ScorePlan) -> ScoreReport:
    """Score the plan's input on the executors of ``spark`` and publish the day.

    Until the last rename nothing shows under the day's name; whatever goes wrong, the staging folder is deleted, by
    this run or by the next. Of a day that is there already only what is new in the input is scored.

    Raises:
        ModelError: a file of the model is not as exported.
        DataError: no row in the input, an id twice, or an output that does not fit the input.
        BudgetError: more rejects than ``bad_image_budget`` allows, or no prediction at all.
        FileExistsAlreadyError: another run published the day first.
        PreemptedError: this process was told to end, or HDFS lets it in no longer.
        ClusterError: the stage failed; the sentence says of what.
    """
    config, started = plan.config, _now()
    overwrite = config.overwrite or plan.prior is not None
    staging = Staging(str(config.output_dir), plan.date, overwrite=overwrite)
    with (
        preempted(lambda: f"and stopped: {'the day is published' if staging.is_published else _THEN}"),
        # In Spark's own folder, which its JVM deletes even after this process was killed.
        tempfile.TemporaryDirectory(prefix="model-", dir=SparkFiles.getRootDirectory()) as local,
        staging,
        job_group(spark, f"score {config.input}"),
        imported_first(spark, "sparkcv.predict.engines.decoding"),
        let_in(spark, config.port_range, _THEN) as place,
    ):
        return _run(_Run(spark, plan, staging, local, place, started))


@dataclasses.dataclass(frozen=True)
class _Run:
    """A run at work: its plan, and where it works."""

    spark: SparkSession
    plan: ScorePlan
    staging: Staging
    local: str
    place: TokenServerAddress | None
    started: str


def _run(run: _Run) -> ScoreReport:
    plan, staging, prior = run.plan, run.staging, run.plan.prior
    if prior is None:
        _fetch_model(run)  # what is wrong with it is told before a long listing
    frozen = score_input.freeze(run.spark, plan.config, plan.files, staging, run.place)
    todo = score_day.everything(frozen)
    if prior is not None:
        prior.check_columns(frozen)
        todo = score_day.only_new(run.spark, frozen, prior, staging, run.place)
        if not todo.num_rows:
            return score_day.complete(prior, plan.config, frozen)
        _log.info("%d of %d rows are new since run %s", todo.num_rows, frozen.num_rows, prior.run_id)
        _fetch_model(run)
    started_s = time.monotonic()
    events = _run_stage(run, frozen, todo)
    elapsed_s = time.monotonic() - started_s
    tally = _finish(run, frozen, todo)
    if prior is not None:
        tally = prior.add(tally)
        prior.copy_rows(staging.join(publish.PREDICTIONS))
    num_rows = tally.num_predictions + sum(tally.rejects.values())
    publish.check_budget(num_rows, tally.rejects, plan.config.bad_image_budget)
    report = ScoreReport(
        num_predictions=tally.num_predictions,
        rejects=tally.rejects,
        elapsed_s=elapsed_s,
        input=str(plan.config.input),
        model=str(plan.config.model_dir),
        model_digest=plan.manifest.digest,
        predictions_url=staging.day,
        rejects_url=storage.join(staging.day, publish.REJECTS),
        reasons=tally.reasons,
        run={
            "run_id": staging.run_id,
            "started": run.started,
            "ended": _now(),
            **score_day.settings(plan.config, plan.manifest),
            "columns": score_day.columns_of(frozen),
        },
        left_out=frozen.left_out,
        events=events,
        num_earlier=num_rows - todo.num_rows,
    )
    storage.write_json(staging.join(publish.PREDICTIONS, score_day.REPORT), report.to_dict())
    if prior is not None:
        prior.check_is_still_there()
    staging.publish(publish.PREDICTIONS)
    return report


def _fetch_model(run: _Run) -> None:
    """Copy the model to the run's own folder: whoever replaces it meanwhile does not change this run's."""
    manifest = run.plan.manifest
    _, folder = fetch_model(str(run.plan.config.model_dir), run.local, digest=manifest.digest)
    storage.publish_dir(folder, run.staging.join(_MODEL))


def _run_stage(run: _Run, frozen: FrozenInput, todo: Todo) -> tuple[str, ...]:
    """Score what is to be done; return what was lost and done again meanwhile."""
    config, spark, pieces = run.plan.config, run.spark, todo.pieces
    progress_url = run.staging.join(_PROGRESS)
    task = ScoreTask(
        pieces_url=frozen.pieces_url,
        model_url=run.staging.join(_MODEL),
        model_digest=run.plan.manifest.digest,
        batch_size=config.batch_size,
        top_k=config.top_k,
        rules=PictureRules(
            config.max_pixels,
            parse_formats(config.formats),
            parse_background(config.background),
            use_orientation=config.exif_orientation is not False,
            compress_level=0,  # decoded at once, and kept nowhere
        ),
        num_threads=config.num_intra_op_threads or threads_a_task(spark),
        cache_host=socket.gethostname(),
        cache_dir=run.local,
        kept=frozen.kept,
        only_url=todo.only_url,
        progress_url=progress_url,
    )
    work = with_tokens(run.place, functools.partial(tasks.score_piece, task))
    schema = ddl(scored_schema(frozen.kept))
    losses, count_done = StageLosses(spark), num_done_tasks(spark)

    def look() -> int:
        losses.look()
        return count_done()

    running = functools.partial(num_running_rows, progress_url, config.batch_size)
    with translated(), StageProgress("score", todo.num_rows, len(pieces), look, running):
        scored = map_pieces(spark, len(pieces), lambda index: work(pieces[index]), schema)
        scored.write.parquet(publish.hadoop_url(run.staging.join(_SCORED)))
    losses.look()
    return losses.events


def _finish(run: _Run, frozen: FrozenInput, todo: Todo) -> publish.DayCounts:
    manifest = run.plan.manifest
    model = {"model_name": manifest.model_name, "model_step": manifest.step, "run_id": run.staging.run_id}
    with translated():
        predictions, rejects = publish.split_scored(
            run.spark, run.staging, _SCORED, todo.num_rows, kept=frozen.kept, model=model
        )
        wanted = score_input.ids(run.spark, frozen, run.place) if todo.ids is None else todo.ids
        return publish.reconcile(wanted, predictions, rejects)


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
