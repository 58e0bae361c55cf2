"""One scoring run at work: freeze the input, score what is missing, reconcile, say what the night was, publish."""

from __future__ import annotations

import dataclasses
import datetime
import functools
import socket
import time
from typing import TYPE_CHECKING, Any

from pyspark.sql import DataFrame, SparkSession

from sparkcv import storage
from sparkcv.driver import score_day, score_engine, score_input, score_night
from sparkcv.driver.day_stage import DayStage
from sparkcv.driver.picture_rules import rules_of
from sparkcv.driver.score_day import Todo
from sparkcv.driver.score_engine import NetFacts
from sparkcv.driver.score_input import FrozenInput
from sparkcv.errors import BudgetError, StorageError
from sparkcv.predict import night, publish, tasks
from sparkcv.predict.accuracy_task import AccuracySample
from sparkcv.predict.engines import NetSpec
from sparkcv.predict.fetching import fetch_model
from sparkcv.predict.night import NightFacts
from sparkcv.predict.report import ScoreReport
from sparkcv.predict.schema import ddl, scored_schema
from sparkcv.predict.staging import Staging
from sparkcv.predict.table_schema import TableSchema
from sparkcv.predict.tables import REJECTS
from sparkcv.predict.tasks import ScoreTask
from sparkcv.spark.errors import translated
from sparkcv.spark.stages import threads_a_task
from sparkcv.tokens.server import TokenServerAddress

if TYPE_CHECKING:
    from sparkcv.driver.score import ScorePlan

__all__ = ["ScoreRun", "THEN", "now"]

THEN = "nothing was published, the same command scores what is missing"
_MEASURED = "measured"


@dataclasses.dataclass(frozen=True)
class ScoreRun:
    """A run: its plan, and where it works."""

    spark: SparkSession
    plan: ScorePlan
    staging: Staging
    local: str
    place: TokenServerAddress | None
    started: str

    def score(self) -> ScoreReport:
        """Do all of it; see :func:`sparkcv.driver.score.run`."""
        plan, prior = self.plan, self.plan.prior
        if prior is None:
            self._fetch_model()  # what is wrong with it is told before a long listing
        frozen = score_input.freeze(
            self.spark, plan.config, plan.files, self.staging, self.place, plan.manifest.labels_offset
        )
        schema = self._schema(frozen).check(plan.table.output_dir, may_add=plan.config.evolve_schema)
        if prior is not None:
            prior.check_columns(frozen)
        stage = DayStage(self.spark, self.staging, frozen, self.place, self._ddl(frozen))
        wanted = stage.wanted(prior)
        if prior is not None:
            if not wanted.num_rows:
                return self._vacuumed(score_day.complete(prior, plan.config, frozen))
            self._fetch_model()
        about = {
            **score_day.about(plan.config, plan.manifest),
            "columns": score_day.columns_of(frozen),
            "truth": frozen.truth,
        }
        todo, taken_over = stage.take_over(prior, wanted, about)
        started_s = time.monotonic()
        task, net = self._settle_net(stage, todo)
        work = functools.partial(tasks.score_piece, task)
        events = stage.run(work, todo, task.batch_size, "score") if todo.num_rows else ()
        elapsed_s = time.monotonic() - started_s
        scored = stage.rows(todo, taken_over)
        tally = self._split(stage, wanted, scored)
        facts = self._look(frozen, scored)
        whole = tally if prior is None else prior.add(tally)
        num_rows = whole.num_predictions + sum(whole.rejects.values())
        report = ScoreReport(
            num_predictions=whole.num_predictions,
            rejects=whole.rejects,
            elapsed_s=elapsed_s,
            input=str(plan.config.input),
            model=str(plan.config.model_dir),
            model_digest=plan.manifest.digest,
            predictions_url=self.staging.day,
            rejects_url=storage.join(plan.table.next_folder(self.staging), REJECTS),
            reasons=whole.reasons,
            marks=whole.marks,
            run={
                "run_id": self.staging.run_id,
                "started": self.started,
                "ended": now(),
                **score_day.settings(plan.config, plan.manifest),
                "columns": score_day.columns_of(frozen),
                "schema_version": schema.version,
            },
            left_out=frozen.left_out,
            engine=net.to_dict(),
            events=events,
            num_earlier=num_rows - todo.num_rows,
        )
        self._check_budget(frozen, report, facts)
        return self._publish(frozen, schema, report, facts)

    def _check_budget(self, frozen: FrozenInput, report: ScoreReport, facts: NightFacts) -> None:
        """Raise BudgetError if the night must not be published; a page beside the days shows why."""
        try:
            publish.check_budget(report.num_rows, report.rejects, self.plan.config.bad_image_budget)
        except BudgetError as err:
            url = score_night.write_failed(self.plan, report, facts, self._draw(frozen, facts), str(err))
            raise BudgetError(f"{err}; they are shown in {url!r}" if url else str(err)) from err

    def _draw(self, frozen: FrozenInput, facts: NightFacts) -> dict[str, bytes]:
        return score_night.draw(
            self.spark, self.staging, facts, frozen.pieces_url, rules_of(self.plan.config), self.place
        )

    def _publish(self, frozen: FrozenInput, schema: TableSchema, report: ScoreReport, facts: NightFacts) -> ScoreReport:
        plan, prior, day = self.plan, self.plan.prior, self.staging.join(publish.PREDICTIONS)
        if prior is not None:
            plan.table.carry_over(prior.day, day)
        report = score_night.write(plan, self.staging, report, facts, self._draw(frozen, facts))
        if prior is not None:
            prior.check_is_still_there()
        schema.write(plan.table.output_dir)
        done = plan.table.publish(
            self.staging, publish.PREDICTIONS, None if prior is None else prior.day, schema.predictions_json
        )
        report = dataclasses.replace(report, predictions_url=done.where)
        score_night.delete_failed(plan)
        return self._vacuumed(report)

    def _vacuumed(self, report: ScoreReport) -> ScoreReport:
        """Return the report with what was vacuumed, where that was asked for."""
        days = self.plan.config.vacuum_days
        if days is None:
            return report
        try:
            note = f"vacuum: {self.plan.table.vacuum(days)} files and nights older than {days} days were deleted"
        except StorageError as err:  # the day is published
            note = f"nothing was vacuumed: {err}"
        return dataclasses.replace(report, notes=(*report.notes, note))

    def _ddl(self, frozen: FrozenInput) -> str:
        return ddl(scored_schema(frozen.kept, has_features=self.plan.config.features is not None))

    def _schema(self, frozen: FrozenInput) -> TableSchema:
        empty = self.spark.createDataFrame([], self._ddl(frozen))
        parts = publish.shape(empty, kept=frozen.kept, model=self._model())
        predictions, rejects = (tuple(part.schema.jsonValue()["fields"]) for part in parts)
        self.plan.table.check([field["name"] for field in predictions])
        return TableSchema(self.plan.config.table_format, predictions, rejects)

    def _model(self) -> dict[str, Any]:
        manifest = self.plan.manifest
        return {"model_name": manifest.model_name, "model_step": manifest.step, "run_id": self.staging.run_id}

    def _fetch_model(self) -> None:
        """Copy the model to the run's own folder: whoever replaces it meanwhile does not change this run's."""
        manifest = self.plan.manifest
        _, folder = fetch_model(str(self.plan.config.model_dir), self.local, digest=manifest.digest)
        storage.publish_dir(folder, self.staging.join(score_night.MODEL))

    def _settle_net(self, stage: DayStage, todo: Todo) -> tuple[ScoreTask, NetFacts]:
        """Return what every task gets to know, and how the net is run."""
        config, manifest, frozen = self.plan.config, self.plan.manifest, stage.frozen
        task = ScoreTask(
            pieces_url=frozen.pieces_url,
            model_url=self.staging.join(score_night.MODEL),
            model_digest=manifest.digest,
            batch_size=config.batch_size,
            top_k=config.top_k,
            rules=rules_of(config),
            num_threads=config.num_intra_op_threads or threads_a_task(self.spark),
            cache_host=socket.gethostname(),
            cache_dir=self.local,
            kept=frozen.kept,
            only_url=todo.only_url,
            progress_url=stage.progress_url,
            net=NetSpec(features=config.features),
            picture_cpu_s=config.picture_cpu_s,
        )
        sample = AccuracySample(self.staging.join(_MEASURED), config.calibrate)
        choice = score_engine.choose(config, manifest)
        facts = score_engine.settle(self.spark, choice, task, frozen, sample, self.place)
        return dataclasses.replace(task, net=facts.net), facts

    def _split(self, stage: DayStage, wanted: Todo, scored: DataFrame) -> publish.DayCounts:
        with translated():
            predictions, rejects = publish.split_scored(
                self.spark, self.staging, scored, wanted.num_rows, kept=stage.frozen.kept, model=self._model()
            )
            return publish.reconcile(stage.ids(wanted), predictions, rejects)

    def _look(self, frozen: FrozenInput, scored: DataFrame) -> NightFacts:
        config = self.plan.config
        with translated():
            return night.look(
                scored,
                num_classes=self.plan.manifest.num_classes,
                num_samples=config.report_samples,
                is_labelled=bool(frozen.truth),
            )


def now() -> str:
    """Return the time in UTC, ISO 8601, to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
