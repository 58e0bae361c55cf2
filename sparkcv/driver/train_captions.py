"""The training of captions: that of a classifier with another program, on shards of pictures with captions."""

import dataclasses
from typing import Any

from sparkcv import storage
from sparkcv.caption import caption_weights
from sparkcv.config import TrainCaptionsConfig
from sparkcv.driver import train, train_plan, unused_flags
from sparkcv.driver.caption_data import read_caption_data
from sparkcv.driver.fixed_net import FixedNet, check_fixed_net, check_same_flags
from sparkcv.driver.train_plan import TrainPlan
from sparkcv.driver.train_report import TrainReport
from sparkcv.errors import CheckpointError, LabelError, UsageError
from sparkcv.records.captioned import CAPTION_IDS, IMAGE_DATA
from sparkcv.records.example import FeatureNames
from sparkcv.rundir import checkpoint
from sparkcv.rundir.description import RunDescription

__all__ = ["prepare", "run"]

PROGRAM = "sparkcv.programs.train_captions:main"

_KEPT = ("embedding_size", "num_lstm_units")
_WITHOUT_SLOTS = "sgd"


def prepare(config: TrainCaptionsConfig) -> TrainPlan:
    """Check flags, encoder, dataset and run folder without Spark or TensorFlow.

    Raises what :func:`sparkcv.driver.train_plan.prepare` does, DataError for a dataset without captions, LabelError and
    CheckpointError for captions to start from that are of another vocabulary, and UsageError for an encoder that nobody
    trained or trains, for captions to start from of other sizes, and for a folder of a run of other sizes, or of a
    phase that this one cannot follow.
    """
    _explain_unused(config)
    train_plan.check_flags(config)
    data = read_caption_data(config.dataset_dir, config.dataset_split_name)
    start = check_fixed_net(config) if config.checkpoint_path else None
    goes_on = not config.restart and checkpoint.newest_step(storage.resolve(config.train_dir))
    if not start and not config.train_encoder and not goes_on:
        raise UsageError(
            f"--checkpoint_path is missing: wanted the trained weights of {config.model_name}, the encoder, or"
            " --train_encoder, which trains it too"
        )
    if start and not goes_on:
        _check_start(config, start, data.words)
    # The classifier's checks of a start want a head of as many classes as there are words: the encoder has none. Its
    # checks of scopes know its own variables only.
    plan = train_plan.prepare(
        dataclasses.replace(config, checkpoint_path=None, learning_rate_scales=None, checkpoint_exclude_scopes=None)
    )
    settled = dataclasses.replace(
        plan.config,
        checkpoint_path=start.prefix if start else None,
        learning_rate_scales=config.learning_rate_scales,
        checkpoint_exclude_scopes=config.checkpoint_exclude_scopes,
    )
    check_same_flags(settled, _KEPT)
    if plan.step:
        _check_phase(config, settled.train_dir)
    dataset = dataclasses.replace(plan.dataset, features=FeatureNames(IMAGE_DATA, CAPTION_IDS, longest=data.longest))
    return dataclasses.replace(plan, config=settled, dataset=dataset, program=PROGRAM)


def run(spark: Any, plan: TrainPlan) -> TrainReport:
    """Train the captions of ``plan`` on the executors of ``spark``, and prove what was left.

    Raises what :func:`sparkcv.driver.train.run` does.
    """
    return train.run(spark, plan)


def _check_start(config: TrainCaptionsConfig, net: FixedNet, words: tuple[str, ...]) -> None:
    """Refuse a start from captions of another vocabulary or other sizes, unless they are to begin anew."""
    start, index = net.prefix, net.index
    if index is None or not caption_weights.holds(index.tensors):
        return  # of the first version, at which the worker looks, or of an encoder alone
    if caption_weights.leaves_out(config.checkpoint_exclude_scopes):
        return
    otherwise = f", or --checkpoint_exclude_scopes {caption_weights.SCOPES}, which takes the encoder alone"
    told = RunDescription.read(storage.parent(start), pass_over_foreign=True) or RunDescription()
    for number, (theirs, ours) in enumerate(zip(told.labels, words, strict=False)):
        if theirs != ours:
            raise LabelError(
                f"--checkpoint_path {start}: word {number} is {theirs!r} to its captions and {ours!r} in the dataset;"
                f" wanted the vocabulary that it was trained with{otherwise}"
            )
    try:
        found = caption_weights.fit(index.shapes, len(words), start)
    except CheckpointError as err:
        raise CheckpointError(f"{err}{otherwise}") from err
    for flag, size in (("embedding_size", found.embedding), ("num_lstm_units", found.units)):
        if getattr(config, flag) != size:
            raise UsageError(
                f"--{flag} {getattr(config, flag)}: the captions of {start!r} have {size}; wanted the same{otherwise}"
            )


def _check_phase(config: TrainCaptionsConfig, train_dir: str) -> None:
    """Raise UsageError for a second phase whose optimizer wants of the checkpoint what the first did not keep."""
    former = RunDescription.read(train_dir)
    if former is None or not config.train_encoder or former.config.get("train_encoder", True):
        return
    if config.optimizer != _WITHOUT_SLOTS:
        raise UsageError(
            f"--train_encoder with --optimizer {config.optimizer}: the run in {train_dir!r} was trained without"
            f" it, so its checkpoint has no slots of {config.optimizer} for the encoder; wanted --optimizer"
            f" {_WITHOUT_SLOTS}, or another --train_dir with --train_encoder from its start"
        )


def _explain_unused(config: TrainCaptionsConfig) -> None:
    """Warn of the learning rate of the other phase."""
    if config.train_encoder:
        unused_flags.warn(config, ["learning_rate"], "with --train_encoder all train at --encoder_learning_rate")
        if not config.encoder_learning_rate_decays:
            names = ["learning_rate_decay_type", "learning_rate_decay_factor", "num_epochs_per_decay"]
            unused_flags.warn(config, names, "--encoder_learning_rate falls with --encoder_learning_rate_decays only")
    else:
        names = ["encoder_learning_rate", "encoder_learning_rate_decays"]
        unused_flags.warn(config, names, "only --train_encoder trains at it")
