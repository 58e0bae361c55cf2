"""The driver's side of an export: everything checked first, one exporter run, the published model read back."""

import contextlib
import dataclasses
import re
import time
from typing import Any

from sparkcv import logs, nets, preprocess, storage
from sparkcv.cluster import supervisor
from sparkcv.cluster.observer import RunObserver
from sparkcv.cluster.run_spec import RunSpec
from sparkcv.config import ExportConfig
from sparkcv.config.pictures import JPEG_ARITHMETIC
from sparkcv.config.port_range import PortRange
from sparkcv.doctor import estimate
from sparkcv.driver import checkpoint_checks, evaluated, model_weights, statistics_checks
from sparkcv.driver.checkpoint_checks import TrainedClasses
from sparkcv.driver.net_flags import check_channels, check_image_size, check_labels_offset, is_gray
from sparkcv.driver.net_variables import AskedNet
from sparkcv.errors import CheckpointError, ModelError, StorageError, UsageError
from sparkcv.launchers import Launcher
from sparkcv.launchers.barrier import BarrierLauncher
from sparkcv.predict import manifest as manifests
from sparkcv.predict.export.target import check_target
from sparkcv.predict.export.task import ExportTask
from sparkcv.records import labels
from sparkcv.roles import Role
from sparkcv.rundir import checkpoint, checkpoint_model
from sparkcv.rundir.description import RunDescription
from sparkcv.spark.session import SessionSpec

PROGRAM = "sparkcv.programs.export:main"
SCORES = "sparkcv.programs.try_model:main"

_EXPORTER = Role("exporter", 0)
_log = logs.get(__name__)


@dataclasses.dataclass(frozen=True)
class ExportPlan:
    """An export that can start: what the exporter is asked to do."""

    task: ExportTask

    def session(self) -> SessionSpec:
        """Return what the export needs of Spark: one executor."""
        config = self.task.config
        return SessionSpec(
            "sparkcv export",
            num_executors=1,
            memory_mb=config.executor_memory_mb,
            role_bytes=estimate.exporter(config.model_name),
            ports=PortRange.parse(config.port_range),
        )


@dataclasses.dataclass(frozen=True)
class ExportReport:
    """A published model, every byte of it read back by the driver.

    ``difference`` is the largest between the probabilities of frozen graph and SavedModel on the picture both scored.
    """

    model_dir: str
    model_name: str
    digest: str
    step: int
    num_classes: int
    image_size: int
    checkpoint: str
    num_bytes: int
    difference: float
    elapsed_s: float

    def __str__(self) -> str:
        rows = [
            ("model", self.model_dir),
            ("net", f"{self.model_name}, {self.num_classes} classes, {self.image_size} pixels"),
            ("checkpoint", f"{self.checkpoint} (step {self.step})"),
            ("digest", self.digest),
            ("proof", f"loaded again, SavedModel and frozen graph agree to {self.difference:.1e} on one picture"),
            ("size", f"{self.num_bytes / 1e6:.1f} MB, read back and whole"),
            ("took", logs.duration(self.elapsed_s)),
        ]
        return "\n".join(f"{name:<12} {text}" for name, text in rows)


def prepare(config: ExportConfig, *, may_replace: bool = False) -> ExportPlan:
    """Check flags, labels, checkpoint and target without Spark or TensorFlow.

    What a run's ``run.json`` beside the checkpoint tells, or the ``model.json`` of an exported model, fills flags that
    are not set: image size, preprocessing, normalization and, without ``dataset_dir``, the labels.

    Raises:
        UsageError: an unknown net or preprocessing, a size that does not fit the net, no labels to be found.
        ShardError: labels.txt is missing or bad.
        CheckpointError, MissingFileError: no valid checkpoint, or one of another net or number of classes.
        LabelError: labels.txt names other classes than the checkpoint was trained on, or in another order.
        FileExistsAlreadyError: ``model_dir`` holds something already that the export may not replace.
        DataError: what ``eval_dir`` has is of another checkpoint.
    """
    net = nets.get(config.model_name)
    config = dataclasses.replace(
        config,
        checkpoint_path=checkpoint_model.resolve(config.checkpoint_path or ""),
        model_dir=storage.resolve(config.model_dir or ""),
        dataset_dir=config.dataset_dir and storage.resolve(config.dataset_dir),
        output_file=config.output_file and storage.resolve(config.output_file),
        eval_dir=config.eval_dir and storage.resolve(config.eval_dir),
    )
    if not may_replace:
        check_target(str(config.model_dir))
    found = checkpoint.locate(str(config.checkpoint_path))
    told = model_weights.told_of(found)
    arithmetic = config.jpeg_arithmetic or told.jpeg_arithmetic or JPEG_ARITHMETIC[0]
    config = dataclasses.replace(config, jpeg_arithmetic=arithmetic)
    for trained_as in (found.manifest.get("model_name"), told.model_name):
        if trained_as not in (None, config.model_name):
            raise CheckpointError(
                f"the checkpoint {found.prefix_url!r} is of {trained_as}, --model_name is {config.model_name}: it is of"
                " another net"
            )
    if not found.manifest and not found.kind and (index := checkpoint_checks.index_of(found)) is not None:
        checkpoint_checks.check_net(config.model_name, index)
    for step, reason in found.skipped:
        _log.warning("the checkpoint of step %d is passed over: %s", step, reason)
    preprocessing = config.preprocessing_name or told.preprocessing_name or net.preprocessing
    image_size = check_image_size(config.model_name, config.image_size or told.train_image_size, preprocessing)
    gray = is_gray(config.model_name, preprocessing, config.use_grayscale)
    config = dataclasses.replace(config, use_grayscale=gray)
    check_channels(gray, told, found.prefix_url)
    config = statistics_checks.as_trained(
        dataclasses.replace(config, preprocessing_name=preprocessing),
        told,
        checkpoint_model.folder_of(found),
        image_size,
    )
    if found.kind:
        # Two classes only to ask: how many there are is said by what is found.
        asked = AskedNet(config.model_name, 2, image_size, config.use_grayscale)
        weights = model_weights.look(found, asked)
        weights.check_whole()
        trained = weights.trained
    else:
        trained = TrainedClasses.of(found, told)
    names, where = _labels(config, trained, found.prefix_url)
    if not config.dataset_dir:
        config = dataclasses.replace(config, labels_offset=_offset_of_training(config, told))
    if trained.number not in (None, len(names)):
        raise CheckpointError(
            f"the checkpoint {found.prefix_url!r} was trained on {trained.number} classes, {where} names"
            f" {len(names)} with --labels_offset {config.labels_offset}; wanted the same number"
        )
    checkpoint_checks.check_same_classes(
        trained,
        f"the checkpoint {found.prefix_url!r}",
        names,
        where,
        ", or no --dataset_dir, to take those of training",
    )
    if told.train_image_size not in (None, image_size):
        _log.warning("--image_size %d: the net was trained at %d pixels", image_size, told.train_image_size)
    storage.check_writable(storage.parent(str(config.model_dir)))
    _check_output_file(config)
    preprocessing = preprocess.get(preprocessing).name
    evaluation = evaluated.find(config, found, told)
    return ExportPlan(ExportTask(config, found, names, where, image_size, preprocessing, may_replace, evaluation))


def run(spark: Any, plan: ExportPlan) -> ExportReport:
    """Run the exporter on an executor of ``spark``, and read the model that it published; see :func:`run_on`."""
    return run_on(BarrierLauncher(spark), plan)


def run_on(launcher: Launcher, plan: ExportPlan, *, log_url: str = "") -> ExportReport:
    """Run the exporter with any launcher, and read the model that it published.

    Raises:
        RoleFailedError: the exporter died or reported an error; nothing was published.
        ModelError: what lies in ``model_dir`` is not what the exporter reported.
    """
    config, started_s = plan.task.config, time.monotonic()
    url = str(config.model_dir)
    try:
        results = supervisor.supervise(
            launcher,
            RunSpec(
                PROGRAM,
                (_EXPORTER,),
                plan.task.to_params(),
                start_timeout_s=config.start_timeout_s,
                log_url=log_url,
                ports=PortRange.parse(config.port_range),
            ),
            _Tell(),
        )
    except BaseException:
        sweep(url)
        raise
    result = results[str(_EXPORTER)]
    manifest = manifests.read_manifest(url)
    if manifest.digest != result["digest"]:
        raise ModelError(f"{url!r} has digest {manifest.digest}, the exporter published {result['digest']}")
    manifests.verify(url, manifest)
    return ExportReport(
        model_dir=url,
        model_name=manifest.model_name,
        digest=manifest.digest,
        step=manifest.step,
        num_classes=manifest.num_classes,
        image_size=manifest.image_size,
        checkpoint=manifest.run,
        num_bytes=sum(file["bytes"] for file in manifest.files.values()),
        difference=float(result["proof"]),
        elapsed_s=time.monotonic() - started_s,
    )


def score_on(launcher: Launcher, config: ExportConfig, digest: str, *, log_url: str = "") -> None:
    """Have a process of its own fetch the model published at ``model_dir`` and score with it.

    Raises RoleFailedError if it is not the model of ``digest``, does not load, or gives no probabilities.
    """
    supervisor.supervise(
        launcher,
        RunSpec(
            SCORES,
            (_EXPORTER,),
            {"model_url": str(config.model_dir), "digest": digest},
            start_timeout_s=config.start_timeout_s,
            log_url=log_url,
            ports=PortRange.parse(config.port_range),
        ),
        _Tell(),
    )


def sweep(url: str) -> None:
    """Delete what a publishing that was cut short left beside the target; what cannot be deleted stays."""
    aside = re.compile(rf"\.{re.escape(storage.basename(url))}\.tmp-[0-9a-f]+")
    with contextlib.suppress(StorageError):
        for entry in storage.list_dir(storage.parent(url)):
            if aside.fullmatch(entry.name):
                storage.delete(entry.url, recursive=True)


class _Tell(RunObserver):
    """Logs what the exporter says that it does."""

    def on_status(self, role: Role, status: dict[str, Any]) -> None:
        _log.info("%s: %s", role, status.get("doing", ""))


def _check_output_file(config: ExportConfig) -> None:
    """Raise UsageError or StorageError where ``output_file`` cannot be written: it is, once the model is published."""
    url = config.output_file
    if not url or url.startswith(f"{config.model_dir.rstrip('/')}/"):
        return
    if storage.is_dir(url):
        raise UsageError(f"--output_file: {url!r} is a folder, wanted the name of a file")
    storage.check_writable(storage.parent(url))


def _offset_of_training(config: ExportConfig, told: RunDescription) -> int:
    """Return what training took off the labels at rest; raise UsageError where the flag says another number.

    The labels are training's own here, so that nothing else would tell that the number of the flag is wrong.
    """
    theirs = told.config.get("labels_offset", config.labels_offset)
    if config.labels_offset not in (0, theirs):
        raise UsageError(f"--labels_offset: got {config.labels_offset}, the net was trained with {theirs}; wanted that")
    return int(theirs)


def _labels(config: ExportConfig, trained: TrainedClasses, prefix_url: str) -> tuple[tuple[str, ...], str]:
    """Return the model's class names, offset taken off, and where they were read."""
    if config.dataset_dir:
        where = storage.join(config.dataset_dir, labels.FILE_NAME)
        names = check_labels_offset(labels.read_labels(config.dataset_dir), config.labels_offset, where)
    elif trained.names:
        where = trained.where
        names = check_labels_offset(trained.names, 0, where)  # training took its offset off
    else:
        raise UsageError(
            f"--dataset_dir is missing: {storage.parent(prefix_url)!r} has no run.json that tells the labels; wanted"
            " the folder that holds labels.txt"
        )
    return names, where
