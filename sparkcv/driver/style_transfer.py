"""Style transfer by optimization as a job: everything checked first, then one process that has TensorFlow."""

import dataclasses
import json
import time
from typing import Any

from pyspark.sql import SparkSession

from sparkcv import logs, storage
from sparkcv.config import StyleTransferConfig
from sparkcv.config.style_transfer import checkpoint_name
from sparkcv.driver import picture_files, transfer_folder
from sparkcv.driver.transfer_folder import StyleFolderReport, TransferFolder
from sparkcv.errors import MissingFileError, UsageError
from sparkcv.evaluate import plots, report
from sparkcv.evaluate.thumbnail import thumbnail
from sparkcv.spark.session import SessionSpec
from sparkcv.style import transfer_process
from sparkcv.style.task import MRF_LAYERS, STYLE_LAYERS, LossWeights, OptimizerSpec, TransferTask

__all__ = ["StyleTransferReport", "TransferPlan", "prepare", "run"]

METRICS, REPORT = "metrics.jsonl", "report.html"
# Of mrf they were found by looking: the style's shapes show, and the content can be told.
_DEFAULTS: dict[str, dict[str, Any]] = {
    "today": {"style_weight": 500.0, "tv_weight": 100.0, "optimizer": "adam"},
    "2016": {"style_weight": 100.0, "tv_weight": 100.0, "optimizer": "adam"},
    "mrf": {"style_weight": 20.0, "tv_weight": 2.0, "optimizer": "lbfgs"},
}


@dataclasses.dataclass(frozen=True)
class TransferPlan:
    """A transfer that can start: what the process is asked to do, and where the report goes.

    Of a folder of pictures ``folder`` says what Spark does; ``task`` is then what all its pictures have in common.
    """

    task: TransferTask
    report_dir: str
    folder: TransferFolder | None = None

    def session(self) -> SessionSpec | None:
        """Return what the run needs of Spark; None for a single picture."""
        return self.folder.session() if self.folder else None


@dataclasses.dataclass(frozen=True)
class StyleTransferReport:
    """What was made, as the process told it."""

    output: str
    report: str
    outcome: dict[str, Any]
    elapsed_s: float

    def __str__(self) -> str:
        outcome = self.outcome
        tiles = f", in tiles of {outcome['tile_size']}" if outcome["tile_size"] else ""
        expected = ""
        if outcome["expected_s"]:
            spent, told = (logs.duration(outcome[name]) for name in ("spent_s", "expected_s"))
            expected = f", of which the iterations {spent}; {told} were expected"
        rows = [
            ("picture", f"{self.output}, {outcome['width']}x{outcome['height']} pixels{tiles}"),
            (
                "loss",
                f"{outcome['loss']:g} at iteration {outcome['iteration']}, {outcome['first_loss']:g} at the start",
            ),
            ("network", outcome["network"]),
            ("report", self.report),
            ("took", logs.duration(self.elapsed_s) + expected),
        ]
        return "\n".join(f"{name:<12} {text}" for name, text in rows)


def prepare(config: StyleTransferConfig) -> TransferPlan:
    """Check flags, inputs and outputs without TensorFlow.

    Raises:
        UsageError: an output that names no format that is written, or one that is an input.
        MissingFileError: a picture, the network or the output's folder is not there.
        FileExistsAlreadyError: the output is there, and ``overwrite`` is not set.
    """
    is_folder = transfer_folder.is_folder(config.content)
    if not is_folder:
        transfer_folder.refuse_flags(config)
    count = len(config.styles)
    blend = config.style_blend_weights or (1.0,) * count
    task = TransferTask(
        content="" if is_folder else picture_files.found(config.content, "content"),
        styles=tuple(picture_files.found(url, "styles") for url in config.styles),
        masks=tuple(picture_files.found(url, "masks") for url in config.masks or ()),
        initial=picture_files.found(config.initial, "initial") if config.initial else "",
        network=_network(config.network),
        output="" if is_folder else picture_files.named(config.output, "output"),
        width=config.width,
        resolutions=config.num_resolutions,
        mrf_rotations=config.mrf_rotations or (0.0,),
        mrf_scales=config.mrf_scales or (1.0,),
        style_scales=config.style_scales or (1.0,) * count,
        noise_blend=_noise_blend(config),
        weights=LossWeights(
            config.content_weight,
            config.content_weight_blend,
            _or_default(config, "style_weight"),
            _style_layers(config),
            tuple(weight / sum(blend) for weight in blend),
            _or_default(config, "tv_weight"),
        ),
        optimizer=OptimizerSpec(
            _or_default(config, "optimizer"), config.learning_rate, config.beta1, config.beta2, config.eps
        ),
        checkpoint_output=config.checkpoint_output and storage.resolve(config.checkpoint_output),
        checkpoint_iterations=config.checkpoint_iterations or 0,
        print_iterations=config.print_iterations or 0,
        **{name: getattr(config, name) for name in _SAME},
    )
    if is_folder:
        folder = transfer_folder.plan(config, task)
        return TransferPlan(task, folder.output, folder)
    read = (task.content, task.initial, *task.styles, *task.masks)
    picture_files.check_replaceable(task.output, read, overwrite=config.overwrite)
    if task.checkpoint_output:
        picture_files.named(checkpoint_name(task.checkpoint_output, 1), "checkpoint_output")
        _check_on_the_way(task, (*read, task.output))
    report_dir = storage.resolve(config.report_dir or task.output.rpartition(".")[0] + ".report")
    return TransferPlan(dataclasses.replace(task, metrics=storage.join(report_dir, METRICS)), report_dir)


_SAME = (
    "iterations",
    "method",
    "pooling",
    "precision",
    "convolutions",
    "seed",
    "memory_mb",
    "tile_size",
    "preserve_colors",
    "luminance",
    "max_pixels",
    "num_threads",
)


def run(spark: SparkSession | None, plan: TransferPlan) -> StyleTransferReport | StyleFolderReport:
    """Make the picture in a process of its own, and write the report; or those of a folder, as a Spark stage.

    Raises:
        ImageError, ModelError, UsageError: what the process found wrong with pictures, network or memory.
        ClusterError: the process died.
        DataError, BudgetError, AtWorkError, PreemptedError: what :class:`~.picture_stage.PictureStage` finds.
    """
    if plan.folder is not None and spark is not None:
        return plan.folder.run(spark)
    started_s = time.monotonic()
    outcome = transfer_process.ask(plan.task)
    made = StyleTransferReport(
        plan.task.output, storage.join(plan.report_dir, REPORT), outcome, time.monotonic() - started_s
    )
    _write_report(plan, made)
    return made


def _check_on_the_way(task: TransferTask, others: tuple[str, ...]) -> None:
    """Raise UsageError where a picture on the way would replace one that is read, as its own one to begin with."""
    for number in range(task.checkpoint_iterations, task.iterations + 1, task.checkpoint_iterations):
        if (url := checkpoint_name(task.checkpoint_output, number)) in others:
            raise UsageError(
                f"--checkpoint_output: of iteration {number} it would be {url!r}, which is read or the output; wanted"
                " another name"
            )


def _network(given: str) -> str:
    url = storage.resolve(given)
    if not any(storage.exists(name) for name in (url, f"{url}.index")):
        raise MissingFileError(f"--network: no file {url!r}, wanted a .mat, an .npz or a checkpoint of VGG-19")
    return url


def _noise_blend(config: StyleTransferConfig) -> float:
    if config.initial_noiseblend is not None:
        return config.initial_noiseblend
    return 0.0 if config.initial or config.method == "mrf" else 1.0


def _or_default(config: StyleTransferConfig, name: str) -> Any:
    given = getattr(config, name)
    return _DEFAULTS["mrf" if config.method == "mrf" else config.defaults][name] if given is None else given


def _style_layers(config: StyleTransferConfig) -> tuple[float, ...]:
    """Return the style layers' weights: today's sum is 1, that of 2016 was their number."""
    weights = [
        config.style_layer_weight_exp**index
        for index in range(len(MRF_LAYERS if config.method == "mrf" else STYLE_LAYERS))
    ]
    total = 1.0 if config.defaults == "2016" else sum(weights)
    return tuple(weight / total for weight in weights)


def _write_report(plan: TransferPlan, made: StyleTransferReport) -> None:
    """Write the page: the pictures, the losses over the iterations, and the settings."""
    task = plan.task
    lines = [json.loads(line) for line in storage.read_text(task.metrics).splitlines()]
    charts = []
    for part in ("total", "content", "style", "tv"):
        line = plots.Line(part, [(row["iteration"], row[part]) for row in lines])
        charts.append(plots.line_chart(f"{part} loss", [line], x_label="iteration", y_label="loss"))
    pictures = [("output", task.output), ("content", task.content), *(("style", url) for url in task.styles)]
    figures = [
        report.Figure(thumbnail(storage.read_bytes(url), max_pixels=task.max_pixels), alt=name, title=name)
        for name, url in pictures
    ]
    settings = [[name, str(value)] for name, value in dataclasses.asdict(task).items()]
    page = report.ReportPage(
        title="Style transfer",
        sections=[
            report.Section("Pictures", [report.Gallery(figures)]),
            report.Section("Losses", [report.Charts([chart for chart in charts if chart is not None])]),
            report.Section("Settings", [report.Table("", ["", ""], settings)]),
        ],
    )
    report.write_report(made.report, page)
