"""The trained net that another training stands on: one through which a loss looks, or that looks at pictures."""

import dataclasses
from typing import Any

from sparkcv.config import TrainConfig
from sparkcv.driver import checkpoint_checks, train_plan
from sparkcv.errors import CheckpointError, UsageError
from sparkcv.rundir import checkpoint, checkpoint_model
from sparkcv.rundir.checkpoint_index import CheckpointIndex
from sparkcv.rundir.description import RunDescription

__all__ = ["FixedNet", "check_fixed_net", "check_same_flags"]


@dataclasses.dataclass(frozen=True)
class FixedNet:
    """The prefix of a checkpoint, and its index; None for one of the first version, and for a model."""

    prefix: str
    index: CheckpointIndex | None


def check_fixed_net(config: TrainConfig) -> FixedNet:
    """Return the net of ``--checkpoint_path``, whose head is not asked for; it must be given.

    Raises UsageError for a net that there is not, and CheckpointError for weights of another net.
    """
    train_plan.check_net(config)
    found = checkpoint.locate(checkpoint_model.resolve(str(config.checkpoint_path)))
    trained_as = found.manifest.get("model_name")
    if trained_as not in (None, config.model_name):
        raise CheckpointError(
            f"--checkpoint_path {found.prefix_url} is of {trained_as!r}, --model_name is {config.model_name!r}; wanted"
            " the same net"
        )
    index = checkpoint_checks.index_of(found)
    if index is not None:
        checkpoint_checks.check_net(config.model_name, index)
    return FixedNet(found.prefix_url, index)


def check_same_flags(config: Any, names: tuple[str, ...]) -> None:
    """Raise UsageError where the run folder holds a run with other values of these flags, and it is to go on."""
    former = RunDescription.read(config.train_dir)
    if former is None or config.restart:
        return
    for name in names:
        theirs, mine = former.config.get(name), getattr(config, name)
        if theirs != mine:
            raise UsageError(
                f"--{name} {mine}: {config.train_dir!r} holds a run with {theirs}; wanted the same, or another"
                " --train_dir"
            )
