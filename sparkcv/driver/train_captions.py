"""The training of captions: that of a classifier with another program, on shards of pictures with captions."""

import dataclasses
from typing import Any

from sparkcv import storage
from sparkcv.config import TrainCaptionsConfig
from sparkcv.driver import train, train_plan, unused_flags
from sparkcv.driver.caption_data import read_caption_data
from sparkcv.driver.fixed_net import check_fixed_net, check_same_flags
from sparkcv.driver.train_plan import TrainPlan
from sparkcv.driver.train_report import TrainReport
from sparkcv.errors import UsageError
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

    Raises what :func:`sparkcv.driver.train_plan.prepare` does, DataError for a dataset without captions, and UsageError
    for an encoder that nobody trained or trains, and for a folder of a run of other sizes, or of a phase that this one
    cannot follow.
    """
    _explain_unused(config)
    longest = read_caption_data(config.dataset_dir, config.dataset_split_name).longest
    start = check_fixed_net(config) if config.checkpoint_path else None
    goes_on = not config.restart and checkpoint.newest_step(storage.resolve(config.train_dir))
    if not start and not config.train_encoder and not goes_on:
        raise UsageError(
            f"--checkpoint_path is missing: wanted the trained weights of {config.model_name}, the encoder, or"
            " --train_encoder, which trains it too"
        )
    # The classifier's checks of a start want a head of as many classes as there are words: the encoder has none. Its
    # checks of scopes know its own variables only.
    plan = train_plan.prepare(dataclasses.replace(config, checkpoint_path=None, learning_rate_scales=None))
    settled = dataclasses.replace(plan.config, checkpoint_path=start, learning_rate_scales=config.learning_rate_scales)
    check_same_flags(settled, _KEPT)
    if plan.step:
        _check_phase(dataclasses.replace(config, train_dir=settled.train_dir))
    dataset = dataclasses.replace(plan.dataset, features=FeatureNames(IMAGE_DATA, CAPTION_IDS, longest=longest))
    return dataclasses.replace(plan, config=settled, dataset=dataset, program=PROGRAM)


def run(spark: Any, plan: TrainPlan) -> TrainReport:
    """Train the captions of ``plan`` on the executors of ``spark``, and prove what was left.

    Raises what :func:`sparkcv.driver.train.run` does.
    """
    return train.run(spark, plan)


def _check_phase(config: TrainCaptionsConfig) -> None:
    """Raise UsageError for a second phase whose optimizer wants of the checkpoint what the first did not keep."""
    former = RunDescription.read(config.train_dir)
    if former is None or not config.train_encoder or former.config.get("train_encoder", True):
        return
    if config.optimizer != _WITHOUT_SLOTS:
        raise UsageError(
            f"--train_encoder with --optimizer {config.optimizer}: the run in {config.train_dir!r} was trained without"
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
