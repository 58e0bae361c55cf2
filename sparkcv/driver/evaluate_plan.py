"""An evaluation before it starts: flags, net, dataset, checkpoint and folders, checked without Spark or TensorFlow."""

import dataclasses

from sparkcv import logs, nets, preprocess, storage
from sparkcv.config import EvalConfig
from sparkcv.config.port_range import PortRange
from sparkcv.doctor import estimate
from sparkcv.driver import checkpoint_checks, model_weights, statistics_checks
from sparkcv.driver.checkpoint_checks import TrainedClasses
from sparkcv.driver.net_flags import check_channels, check_image_size, check_labels_offset, is_gray
from sparkcv.driver.net_variables import AskedNet
from sparkcv.errors import CheckpointError, UsageError
from sparkcv.records import shards
from sparkcv.records.example import FeatureNames
from sparkcv.rundir import checkpoint, checkpoint_model
from sparkcv.rundir.description import RunDescription
from sparkcv.spark.session import SessionSpec

__all__ = ["EvalPlan", "prepare"]

_log = logs.get(__name__)


@dataclasses.dataclass(frozen=True)
class EvalPlan:
    """An evaluation that can start: its flags with full URLs, the split, the checkpoint, the run's folder."""

    config: EvalConfig
    dataset: shards.Dataset
    found: checkpoint.Found
    image_size: int
    train_dir: str

    def session(self) -> SessionSpec:
        """Return what the evaluation needs of Spark: an executor an evaluator."""
        return SessionSpec(
            "sparkcv eval",
            num_executors=self.config.cluster_size or 1,
            memory_mb=self.config.executor_memory_mb,
            role_bytes=estimate.evaluator(self.config),
            ports=PortRange.parse(self.config.port_range),
        )


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
    image_size = check_image_size(config.model_name, config.eval_image_size, config.preprocessing_name)
    if config.dataset_dir is None:
        raise UsageError("--dataset_dir is missing")
    config = dataclasses.replace(
        config,
        dataset_dir=storage.resolve(config.dataset_dir),
        eval_dir=storage.resolve(config.eval_dir),
        checkpoint_path=checkpoint_model.resolve(config.checkpoint_path),
        train_dir=config.train_dir and storage.resolve(config.train_dir),
        use_grayscale=is_gray(config.model_name, config.preprocessing_name, config.use_grayscale),
    )
    dataset = shards.open_dataset(
        str(config.dataset_dir),
        config.dataset_name,
        config.dataset_split_name,
        FeatureNames(config.image_feature, config.label_feature),
    )
    check_labels_offset(dataset.labels, config.labels_offset, str(config.dataset_dir))
    found = checkpoint.locate(config.checkpoint_path)
    for step, reason in found.skipped:
        _log.warning("the checkpoint of step %d is passed over: %s", step, reason)
    folder = checkpoint_model.folder_of(found)
    told = model_weights.told_of(found, pass_over_foreign=True)
    config = statistics_checks.as_trained(config, told, folder, image_size)
    plan = EvalPlan(config, dataset, found, image_size, config.train_dir or folder)
    _check_same_run(plan, told)
    storage.check_writable(config.eval_dir)
    return plan


def _check_same_run(plan: EvalPlan, told: RunDescription) -> None:
    """Refuse a checkpoint of another net or other classes, as far as its manifest and its run's ``run.json`` tell."""
    config, dataset, found = plan.config, plan.dataset, plan.found
    trained = found.manifest.get("model_name", told.model_name)
    if trained not in (None, config.model_name):
        raise CheckpointError(
            f"the checkpoint {found.prefix_url!r} is of {trained!r}, --model_name is {config.model_name!r}; "
            "wanted the same net"
        )
    check_channels(config.use_grayscale, told, found.prefix_url)
    labels = dataset.labels[config.labels_offset :]
    where = f"{config.dataset_name}/{config.dataset_split_name} in {config.dataset_dir!r}"
    if found.kind:
        net = AskedNet(config.model_name, len(labels), plan.image_size, config.use_grayscale)
        weights = model_weights.look(found, net)
        weights.check_whole()
        classes = weights.trained
    else:
        classes = TrainedClasses.of(found, told)
    if classes.number not in (None, len(labels)):
        raise CheckpointError(
            f"the checkpoint {found.prefix_url!r} was trained on {classes.number} classes, the dataset {where} has "
            f"{len(labels)} less --labels_offset {config.labels_offset}; wanted the same number"
        )
    checkpoint_checks.check_same_classes(
        classes, f"the checkpoint {found.prefix_url!r}", labels, f"the dataset {where}", ""
    )
    if not found.manifest and not found.kind and (index := checkpoint_checks.index_of(found)) is not None:
        checkpoint_checks.check_net(config.model_name, index)
    _tell_of_other_pictures(plan, told)


def _tell_of_other_pictures(plan: EvalPlan, told: RunDescription) -> None:
    """Warn where the run was trained on pictures that were prepared in another way: its accuracy there is another."""
    size = told.train_image_size
    what = "model was exported" if plan.found.kind else "run was trained"
    if size not in (None, plan.image_size):
        _log.warning("the %s at %s px and is evaluated at %d: see --eval_image_size", what, size, plan.image_size)
    for flag in ("jpeg_arithmetic", "exif_orientation"):
        theirs, asked = told.config.get(flag), getattr(plan.config, flag)
        if theirs not in (None, asked):
            _log.warning("the %s with --%s %s and is evaluated with %s", what, flag, theirs, asked)
    if "preprocessing_name" not in told.config:
        return
    own = nets.get(plan.config.model_name).preprocessing
    names = [name or own for name in (told.preprocessing_name, plan.config.preprocessing_name)]
    trained, asked = (preprocess.get(name).name if name in preprocess.names() else name for name in names)
    if trained != asked:
        _log.warning(
            "the %s with the preprocessing %s and is evaluated with %s: see --preprocessing_name",
            what, trained, asked,
        )  # fmt: skip
