"""What a training run starts from: a checkpoint that is named, or what its folder holds of the same net and classes."""

import dataclasses

from sparkcv import logs, storage
from sparkcv.config import TrainConfig
from sparkcv.driver import checkpoint_checks, model_weights
from sparkcv.driver.checkpoint_checks import TrainedClasses
from sparkcv.driver.net_variables import AskedNet, NetVariables
from sparkcv.errors import CheckpointError, StorageError, UsageError
from sparkcv.records import shards
from sparkcv.rundir import checkpoint, checkpoint_foreign, checkpoint_listing, checkpoint_model, checkpoint_named
from sparkcv.rundir.checkpoint_index import CheckpointIndex
from sparkcv.rundir.description import RunDescription
from sparkcv.rundir.folder import RunFolder
from sparkcv.rundir.selection import Selection
from sparkcv.train import warmstart_plan

__all__ = ["Start", "check_same_run", "check_start", "data_change", "located", "resumed", "stopped_early"]

_log = logs.get(__name__)


@dataclasses.dataclass(frozen=True)
class Start:
    """The prefix of a checkpoint to start from, and its index, or the variables of the net that a model was read for.

    One of the first version has neither.
    """

    prefix_url: str
    index: CheckpointIndex | None = None
    known: NetVariables | None = None


def located(url: str) -> checkpoint.Found:
    """Find what to start from: of a folder the checkpoint that TensorFlow's pointer names, else the newest.

    Raises what :func:`sparkcv.rundir.checkpoint.locate` does.
    """
    if storage.is_dir(url) and storage.exists(storage.join(url, checkpoint_listing.POINTER)):
        url = checkpoint_named.pointed(url)
    return checkpoint.locate(url)


def check_start(url: str, config: TrainConfig, labels: tuple[str, ...], where: str) -> Start:
    """Return what to start from, of a folder the checkpoint that TensorFlow's pointer names.

    Refuse what its files tell to be unfit; whether each variable fits is seen when the net's are known.
    """
    if config.restart and f"{url}/".startswith(f"{config.train_dir}/"):
        raise UsageError(
            f"--checkpoint_path {url} lies in --train_dir {config.train_dir}, which --restart clears; wanted a copy of"
            " it elsewhere"
        )
    found = located(url)
    told = RunDescription.read(storage.parent(found.prefix_url), pass_over_foreign=True) or RunDescription()
    trained_as = found.manifest.get("model_name", told.model_name)
    if trained_as not in (None, config.model_name):
        raise CheckpointError(
            f"--checkpoint_path {found.prefix_url} is of {trained_as!r}, --model_name is {config.model_name!r}; wanted"
            " the same net"
        )
    if found.kind:
        return Start(found.prefix_url, known=_check_model(found, config, labels, where))
    index = checkpoint_checks.index_of(found)
    if index is not None:
        checkpoint_checks.check_net(config.model_name, index)
        checkpoint_checks.check_scopes(config, index)
        checkpoint_checks.check_head(config, index, TrainedClasses.of(found, told), labels, where)
    return Start(found.prefix_url, index)


def _check_model(found: checkpoint.Found, config: TrainConfig, labels: tuple[str, ...], where: str) -> NetVariables:
    """Refuse a model whose weights are not those that the flags want of the net; return the net's variables."""
    weights = model_weights.look(found, AskedNet.trained_by(config, len(labels)))
    checkpoint_checks.check_head(config, weights.index, weights.trained, labels, where)
    started = warmstart_plan.plan(
        found.prefix_url,
        weights.known.held,
        weights.known.model,
        exclude_scopes=config.checkpoint_exclude_scopes,
        ignore_missing_vars=config.ignore_missing_vars,
        ignore_missing_scopes=config.ignore_missing_scopes,
    )
    _log.info("the run begins from the %s %s: %s", found.kind, found.prefix_url, started.counts())
    if found.kind == checkpoint_model.TFLITE and config.trainable_scopes is None and not config.freeze_batch_norm:
        _log.warning(
            "the batch normalisation of %s was folded into its weights, so its statistics are of no data: training all"
            " layers on goes astray at first; --freeze_batch_norm keeps them",
            found.prefix_url,
        )
    return weights.known


def resumed(config: TrainConfig, folder: RunFolder) -> checkpoint.Found | None:
    """Return the checkpoint to go on from, None for a new run; of a folder that is not ours only with the flag."""
    foreign = checkpoint_foreign.newest(config.train_dir)
    if foreign is None:
        return folder.newest
    if not config.adopt_checkpoint:
        raise CheckpointError(
            f"{config.train_dir!r} holds checkpoints without manifests, as TF-Slim writes them, the newest that reads"
            f" at step {foreign.step}: the run does not resume from it unasked, and will not start again from step 0;"
            " say --adopt_checkpoint to resume from it, name another --train_dir, or say --restart to move them aside"
            " and begin anew"
        )
    index = checkpoint_checks.index_of(foreign)
    if index is not None:
        checkpoint_checks.check_net(config.model_name, index)
    return foreign


def check_same_run(
    config: TrainConfig, labels: tuple[str, ...], where: str, folder: RunFolder, found: checkpoint.Found | None
) -> None:
    """Refuse to resume into the folder of another net or other classes."""
    former, kinds = folder.description, checkpoint_checks.KINDS[config.label_is]
    trained = [TrainedClasses.of_run(former, config.train_dir)]
    if found is not None:  # where run.json is gone its checkpoints still tell
        trained.append(TrainedClasses.of(found, former))
    for key, got, value in (
        ("model_name", former and former.model_name, config.model_name),
        *((f"num_{kinds}", each.number, len(labels)) for each in trained),
        ("normalization", former and found and former.normalization, config.normalization),
    ):
        if got not in (None, value):
            raise CheckpointError(
                f"{config.train_dir} holds a run with {key} {got!r}, this one has {value!r}; wanted another"
                f" --train_dir or the same net, {kinds} and pixels"
            )
    for each in trained:
        what = f"the run in {config.train_dir}"
        checkpoint_checks.check_same_classes(each, what, labels, where, ", or another --train_dir", config.label_is)


def data_change(folder: RunFolder, dataset: shards.Dataset) -> str:
    """Return how the data differs from what a run was last started on, "" where it does not or nobody knows."""
    former = folder.description
    if former is None or former.dataset_digest in (None, dataset.digest):
        return ""
    about = "about " if dataset.is_estimated else ""
    return (
        f"its data has changed since: {former.num_records} records before (digest {str(former.dataset_digest)[:12]}),"
        f" {about}{dataset.num_records} in {dataset.dir} now (digest {dataset.digest[:12]})"
    )


def stopped_early(config: TrainConfig, folder: RunFolder, found: checkpoint.Found | None) -> str:
    """Return why a finished run ended before its target, as it would again; "" for any other."""
    target = config.max_number_of_steps
    if config.early_stopping_evaluations is None or found is None or (target is not None and found.step >= target):
        return ""
    if not folder.is_finished:
        return ""
    try:
        return Selection.read(config.train_dir).stop_reason(config.early_stopping_evaluations)
    except StorageError as err:
        _log.warning("whether the run was stopped early is left to its workers: %s", err)
        return ""
