"""An evaluation: the evaluators run, their parts merged and counted, the results written.

An evaluation is done when every record of the split is accounted for, as an example or as a reject; only then are
``eval-<step>.json``, the TensorBoard scalars and ``report.html`` written.
"""

import dataclasses
import secrets
import time
from typing import Any

import sparkcv
from sparkcv import logs, storage
from sparkcv.cluster import supervisor
from sparkcv.cluster.run_spec import RunSpec
from sparkcv.config import EvalConfig
from sparkcv.config.port_range import PortRange
from sparkcv.driver.evaluate_plan import EvalPlan, prepare
from sparkcv.driver.evaluate_report import EvalReport
from sparkcv.driver.progress import ExamplesProgress
from sparkcv.driver.versions import versions
from sparkcv.errors import StorageError
from sparkcv.evaluate import curves, events, history, part, report, sections
from sparkcv.evaluate.merge import merge
from sparkcv.evaluate.outcome import Outcome
from sparkcv.evaluate.task import Task, part_name
from sparkcv.roles import Role
from sparkcv.spark import session

__all__ = ["EvalPlan", "EvalReport", "prepare", "run"]

PROGRAM = "sparkcv.programs.evaluate:main"
REPORT = "report.html"

_log = logs.get(__name__)


def run(spark: Any, plan: EvalPlan) -> EvalReport:
    """Run the evaluators of ``plan`` on the executors of ``spark``, merge what they found and write the results.

    Raises:
        ClusterError: the executors cannot hold the evaluators, or one died; the message is the report.
        DataError: records that nobody accounted for; BudgetError: more bad ones than --bad_record_budget.
        StorageError: a result that cannot be written.
    """
    config = _sized(plan, spark)
    task = Task(
        config=config,
        dataset=plan.dataset,
        found=plan.found,
        image_size=plan.image_size,
        num_evaluators=config.cluster_size or 1,
        parts_url=storage.join(config.eval_dir, f".parts-{secrets.token_hex(6)}"),
    )
    started_s = time.monotonic()
    target = plan.dataset.num_records if config.max_num_batches is None else None
    progress = ExamplesProgress("evaluate", target, "example")
    try:
        supervisor.run(
            spark,
            RunSpec(
                PROGRAM,
                [Role("evaluator", index) for index in range(task.num_evaluators)],
                task.to_params(),
                services=(),
                start_timeout_s=config.start_timeout_s,
                ports=PortRange.parse(config.port_range),
            ),
            progress,
        )
        parts = [part.read(storage.join(task.parts_url, part_name(i))) for i in range(task.num_evaluators)]
        outcome = merge(
            task,
            parts,
            run_name=storage.basename(plan.train_dir) or config.model_name,
            seconds=time.monotonic() - started_s,
            versions={**versions(), "sparkcv": sparkcv.__version__},
        )
        return _write(plan, outcome)
    finally:
        progress.close()
        _remove(task.parts_url)


def _sized(plan: EvalPlan, spark: Any) -> EvalConfig:
    """Settle the number of evaluators on this cluster."""
    config = plan.config
    size = config.cluster_size or session.submitted_executors(spark) or 1
    # An evaluator without a batch, or without a record, would only cost its start.
    size = min(size, plan.dataset.num_records, config.max_num_batches or size)
    return dataclasses.replace(config, cluster_size=size)


def _write(plan: EvalPlan, outcome: Outcome) -> EvalReport:
    """Write scalars, page and results, the results last: who finds them finds all."""
    eval_dir = plan.config.eval_dir
    found = outcome.metrics
    scalars = {"eval/Accuracy": found.accuracy, f"eval/Recall_{found.k}": found.recall_at_k}
    done = EvalReport(
        outcome=outcome,
        curves=_curves(plan.train_dir),
        results_url=storage.join(eval_dir, f"eval-{outcome.step}.json"),
        report_url=storage.join(eval_dir, REPORT),
    )
    events.write_scalars(eval_dir, outcome.step, scalars, wall_time_s=time.time())
    report.write_report(done.report_url, sections.page(outcome, done.curves, _history(plan.train_dir)))
    storage.write_json(done.results_url, outcome.to_dict())
    return done


def _curves(train_dir: str) -> curves.Curves:
    try:
        return curves.read(train_dir)
    except StorageError as err:  # the numbers stand without them
        _log.warning("no curves of the run: %s", err)
        return curves.Curves()


def _history(train_dir: str) -> dict[int, history.HistoryRow]:
    try:
        return history.read(train_dir)
    except StorageError as err:
        _log.warning("nothing of the run's evaluator: %s", err)
        return {}


def _remove(parts_url: str) -> None:
    try:
        storage.delete(parts_url, recursive=True)
    except StorageError as err:  # must not hide why the run ended
        _log.warning("%s was not removed: %s", parts_url, err)
