"""The driver's side of an evaluation: everything checked first, the evaluators run, their parts merged and counted.

An evaluation is done when every record of the split is accounted for, as an example or as a reject; only then are
``eval-<step>.json``, the TensorBoard scalars and ``report.html`` written.
"""

import dataclasses
import secrets
import time
from typing import Any

import sparkcv
from sparkcv import logs, nets, preprocess, storage
from sparkcv.cluster import supervisor
from sparkcv.config import EvalConfig
from sparkcv.config.port_range import PortRange
from sparkcv.driver.versions import versions
from sparkcv.errors import CheckpointError, LabelError, StorageError, UsageError
from sparkcv.evaluate import curves, events, history, metrics, part, report, sections
from sparkcv.evaluate.merge import merge
from sparkcv.evaluate.outcome import Outcome
from sparkcv.evaluate.task import Task, part_name
from sparkcv.records import shards
from sparkcv.roles import Role
from sparkcv.rundir import checkpoint
from sparkcv.spark import session

PROGRAM = "sparkcv.programs.evaluate:main"
REPORT = "report.html"

_WORST_CLASSES = 10
_log = logs.get(__name__)


@dataclasses.dataclass(frozen=True)
class EvalPlan:
    """An evaluation that can start: its flags with full URLs, the split, the checkpoint, the run's folder."""

    config: EvalConfig
    dataset: shards.Dataset
    found: checkpoint.Found
    image_size: int
    train_dir: str


@dataclasses.dataclass(frozen=True)
class EvalReport:
    """What an evaluation found and where it lies; its text is the job's last words.

    ``outcome`` and ``curves`` are what the page was drawn from, for a job that draws them into a page of its own.
    """

    outcome: Outcome
    curves: curves.Curves
    results_url: str
    report_url: str

    @property
    def accuracy(self) -> float:
        """Share of the examples whose class was predicted, in [0, 1]."""
        return self.outcome.metrics.accuracy

    @property
    def recall_5(self) -> float:
        """Share of the examples whose class was among the five best scores, in [0, 1]."""
        return self.outcome.metrics.recall_at_k

    def __str__(self) -> str:
        found = self.outcome.metrics
        whole = f"{found.num_examples} examples + {self.outcome.num_rejected} rejected"
        of = f" of {self.outcome.num_records} records" if self.outcome.is_partial else ", the whole split"
        rows = [
            ("checkpoint", f"step {self.outcome.step}, {logs.clean(self.outcome.checkpoint)}"),
            ("accuracy", f"{found.accuracy:.4f}"),
            (f"recall@{found.k}", f"{found.recall_at_k:.4f}"),
            ("mean recall", f"{found.mean_recall:.4f} of the classes"),
            ("evaluated", whole + of),
            ("took", logs.duration(self.outcome.seconds)),
            ("results", logs.clean(self.results_url)),
            ("report", logs.clean(self.report_url)),
        ]
        return "\n".join([*_class_lines(found), "", *(f"{name:<12} {text}" for name, text in rows)])


def prepare(config: EvalConfig) -> EvalPlan:
    """Check flags, net, dataset, checkpoint and folders without Spark or TensorFlow.

    Raises:
        UsageError: a flag that can never work here, such as an unknown net.
        DataError, StorageError: a dataset that is missing, empty or not what its manifest says.
        CheckpointError: no checkpoint, a damaged one, or one of another net or another number of classes.
        LabelError: a checkpoint of other classes.
    """
    if config.master:
        _log.warning("--master %s is unused: Spark places the evaluators", config.master)
    net = nets.get(config.model_name)
    image_size = net.check_image_size(config.eval_image_size or net.default_image_size)
    preprocess.get(config.preprocessing_name or net.preprocessing).check_image_size(image_size)
    if config.dataset_dir is None:
        raise UsageError("--dataset_dir is missing")
    config = dataclasses.replace(
        config,
        dataset_dir=storage.resolve(config.dataset_dir),
        eval_dir=storage.resolve(config.eval_dir),
        checkpoint_path=storage.resolve(config.checkpoint_path),
        train_dir=config.train_dir and storage.resolve(config.train_dir),
    )
    dataset = shards.open_dataset(str(config.dataset_dir), config.dataset_name, config.dataset_split_name)
    if dataset.num_classes - config.labels_offset < 2:
        raise UsageError(
            f"--labels_offset {config.labels_offset} leaves {dataset.num_classes - config.labels_offset} of the"
            f" {dataset.num_classes} classes in {config.dataset_dir}; wanted at least 2"
        )
    found = checkpoint.locate(config.checkpoint_path)
    for step, reason in found.skipped:
        _log.warning("the checkpoint of step %d is passed over: %s", step, reason)
    folder = storage.parent(found.prefix_url)
    _check_same_run(config, dataset, found, folder, image_size)
    storage.check_writable(config.eval_dir)
    return EvalPlan(config, dataset, found, image_size, config.train_dir or folder)


def evaluate(spark: Any, plan: EvalPlan) -> EvalReport:
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
    progress = _Progress(plan.dataset.num_records if config.max_num_batches is None else None)
    try:
        supervisor.run(
            spark,
            PROGRAM,
            [Role("evaluator", index) for index in range(task.num_evaluators)],
            task.to_params(),
            services=(),
            on_status=progress.update,
            start_timeout_s=config.start_timeout_s,
            ports=PortRange.parse(config.port_range),
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


def _check_same_run(
    config: EvalConfig, dataset: shards.Dataset, found: checkpoint.Found, folder: str, image_size: int
) -> None:
    """Refuse a checkpoint of another net or other classes, as far as its manifest and its run's ``run.json`` tell."""
    url = storage.join(folder, "run.json")
    run = storage.read_json(url) if storage.exists(url) else {}
    run = run if isinstance(run, dict) else {}
    trained = found.manifest.get("model_name", run.get("model_name"))
    if trained not in (None, config.model_name):
        raise CheckpointError(
            f"the checkpoint {found.prefix_url!r} is of {trained!r}, --model_name is {config.model_name!r}; "
            "wanted the same net"
        )
    labels = list(dataset.labels[config.labels_offset :])
    where = f"{config.dataset_name}/{config.dataset_split_name} in {config.dataset_dir!r}"
    if run.get("num_classes") not in (None, len(labels)):
        raise CheckpointError(
            f"the checkpoint {found.prefix_url!r} was trained on {run['num_classes']} classes, the dataset {where} has "
            f"{len(labels)} less --labels_offset {config.labels_offset}; wanted the same number"
        )
    for index, (ours, theirs) in enumerate(zip(labels, run.get("labels") or labels, strict=False)):
        if ours != theirs:
            raise LabelError(
                f"class {index} is {theirs!r} to the checkpoint {found.prefix_url!r} and {ours!r} in the dataset "
                f"{where}; wanted the same classes in the same order"
            )
    settings = run.get("config")
    size = settings.get("train_image_size") if isinstance(settings, dict) else None
    if size not in (None, image_size):
        _log.warning("the run was trained at %s px and is evaluated at %d: see --eval_image_size", size, image_size)


def _sized(plan: EvalPlan, spark: Any) -> EvalConfig:
    """Settle the number of evaluators on this cluster."""
    config = plan.config
    size = config.cluster_size or session.submitted_executors(spark) or 1
    # An evaluator without a batch, or without a record, would only cost its start.
    size = min(size, plan.dataset.num_records, config.max_num_batches or size)
    return dataclasses.replace(config, cluster_size=size)


class _Progress:
    """Adds up what the evaluators report and shows one line."""

    def __init__(self, target: int | None) -> None:
        self._progress = logs.Progress("evaluate", target, "example")
        self._examples: dict[Role, int] = {}

    def update(self, role: Role, status: dict[str, Any]) -> None:
        """Take the newest status of one evaluator."""
        self._examples[role] = int(status.get("examples", 0))
        self._progress.update(sum(self._examples.values()))

    def close(self) -> None:
        """End the line."""
        self._progress.close()


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


def _class_lines(found: metrics.Metrics) -> list[str]:
    """The classes with the lowest recall as a table of text."""
    ordered = sorted(
        (each for each in found.classes if each.recall is not None), key=lambda each: (each.recall, each.index)
    )
    names = [logs.clean(each.name)[:30] for each in ordered[:_WORST_CLASSES]]
    width = max(12, *(len(name) for name in names))
    lines = [f"{'class':<{width}} recall  precision  examples"]
    for name, each in zip(names, ordered, strict=False):
        precision = "-" if each.precision is None else f"{each.precision:.3f}"
        lines.append(f"{name:<{width}} {each.recall:6.3f}  {precision:>9}  {each.support:8d}")
    if len(ordered) > len(names):
        lines.append(f"({len(ordered) - len(names)} more classes are in the report)")
    return lines
