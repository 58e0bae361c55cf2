"""Scoring a day's pictures: one Spark stage from a frozen input to Parquet, every id exactly once.

A task gets the number of its piece and gives back answers. Lists, pictures and model it reads itself, through
storage: neither pixels nor encoded pictures ever cross the border between Spark's JVM and Python.
"""

import dataclasses
import datetime
import tempfile

from pyspark import SparkFiles
from pyspark.sql import SparkSession

from sparkcv import storage
from sparkcv.config import ScoreConfig
from sparkcv.doctor import estimate
from sparkcv.driver import score_day, score_engine, score_input
from sparkcv.driver.score_day import PriorDay
from sparkcv.driver.score_run import THEN, ScoreRun, now
from sparkcv.driver.stage_session import stage_session
from sparkcv.driver.told_to_end import preempted
from sparkcv.errors import MissingFileError, UsageError
from sparkcv.predict import claims, publish, rows, table_schema
from sparkcv.predict import manifest as manifests
from sparkcv.predict.manifest import ModelManifest
from sparkcv.predict.predictor import check_top_k
from sparkcv.predict.report import ScoreReport
from sparkcv.predict.rows import InputFiles
from sparkcv.predict.staging import DAY, Staging, clean_up
from sparkcv.predict.tables import ScoreTable, open_table
from sparkcv.spark import yarn
from sparkcv.spark.job_group import job_group
from sparkcv.spark.python_daemon import imported_first
from sparkcv.spark.session import SessionSpec
from sparkcv.tokens.stage import let_in

__all__ = ["ScorePlan", "ScoreReport", "prepare", "run"]


@dataclasses.dataclass(frozen=True)
class ScorePlan:
    """A run that can start: its flags with full URLs and a date, the kind of its input, its model, and its table.

    ``prior`` is the day that is there already and that this run completes; None where it makes a new one.
    """

    config: ScoreConfig
    files: InputFiles
    manifest: ModelManifest
    table: ScoreTable
    prior: PriorDay | None = None

    @property
    def date(self) -> str:
        """The day to publish, ``YYYY-MM-DD``."""
        return self.config.date or ""

    def session(self) -> SessionSpec:
        """Return what the scoring needs of Spark."""
        role_bytes = estimate.scorer(self.manifest.model_name, self.manifest.image_size, self.config.batch_size)
        return stage_session("sparkcv score", self.config, role_bytes)


def prepare(config: ScoreConfig) -> ScorePlan:
    """Check all that can be checked without Spark, TensorFlow or a whole listing.

    Raises:
        UsageError: flags that can never work together, such as more ``top_k`` than the model has classes, or that this
            kind of input has no use for; a table whose package is not installed.
        MissingFileError, DataError: no input, or none in it; no model.
        ModelError: a ``model.json`` that is not as exported.
        SchemaError: the output folder holds data of another program.
        AtWorkError: another living run works on this day.
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
    score_engine.choose(config, manifest)
    files = _find_input(config.input)
    score_input.refuse_unused(config, files)
    config = dataclasses.replace(config, input=files.input)
    if files.holds(target):
        raise UsageError(f"--output_dir: {target!r} lies in --input {files.input!r}, so output would become input")
    table_schema.check_owner(target, config.table_format)
    table, date = open_table(config.table_format, target), str(config.date)
    if not yarn.is_cluster_mode():  # there a driver that ends before Spark has started counts as failed
        claims.refuse_if_claimed(target, date)
    clean_up(target, keep_date=date, forget=table.forget)  # a day that was moved aside is back before we look for it
    prior = None if config.overwrite else score_day.read_prior(table, date, score_day.about(config, manifest))
    storage.check_writable(target)
    return ScorePlan(config, files, manifest, table, prior)


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

    Until the day is published nothing shows under its name; whatever goes wrong, the staging folder is deleted, by
    this run or by the next. Of a day that is there already only what is new in the input is scored, and of a run of the
    day that was killed or told to end the rows are taken over.

    Raises:
        AtWorkError: another living run works on this day.
        ModelError: a file of the model is not as exported.
        SchemaError: the table has other columns than this run's rows.
        DataError: no row in the input, an id twice, or an output that does not fit the input.
        BudgetError: more rejects than ``bad_image_budget`` allows, or no prediction at all.
        FileExistsAlreadyError: another run published the day first.
        PreemptedError: this process was told to end, or HDFS lets it in no longer.
        ClusterError: the stage failed; the sentence says of what.
    """
    config, started = plan.config, now()
    may_replace = config.overwrite or plan.prior is not None
    staging = Staging(str(config.output_dir), plan.date, overwrite=may_replace, forget=plan.table.forget)
    with (
        # In Spark's own folder, which its JVM deletes even after this process was killed.
        tempfile.TemporaryDirectory(prefix="model-", dir=SparkFiles.getRootDirectory()) as local,
        staging,
        preempted(lambda: f"and stopped: {'the day is published' if staging.is_published else THEN}"),
        job_group(spark, f"score {config.input}"),
        imported_first(spark, score_engine.imported_by_workers(config, plan.manifest)),
        let_in(spark, config.port_range, THEN) as place,
    ):
        if not config.overwrite:  # who had the day before us may have published it since we looked
            about = score_day.about(config, plan.manifest)
            plan = dataclasses.replace(plan, prior=score_day.read_prior(plan.table, plan.date, about))
            staging.may_replace = plan.prior is not None
        return ScoreRun(spark, plan, staging, local, place, started).score()
