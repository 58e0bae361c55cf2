"""The proof that a training run is complete: what must be true before anybody is told of a success."""

from collections.abc import Mapping, Sequence
from typing import Any

from sparkcv.config import TrainConfig
from sparkcv.errors import CheckpointError, RoleFailedError
from sparkcv.roles import CHIEF, Role
from sparkcv.rundir import checkpoint

__all__ = ["NEEDED", "prove"]

NEEDED = ("ps", "worker")
"""Jobs without whose end a run is no success; an evaluator may die."""


def prove(config: TrainConfig, roles: Sequence[Role], results: Mapping[str, Mapping[str, Any]]) -> checkpoint.Found:
    """Return the last checkpoint, read back byte for byte, of a run whose every needed role has ended well.

    Args:
        config: the run's flags, with full URLs.
        roles: all that were started.
        results: what each role returned, by its name.

    Raises:
        RoleFailedError: a needed role did not report its end, or a worker not the step that it ended at.
        CheckpointError: there is no valid checkpoint, it is short of the target, or not the one that the chief named.
    """
    for role in roles:
        if role.job in NEEDED and str(role) not in results:
            raise RoleFailedError(f"{role} did not report its end, so the run is not known to be complete")
        if role.job == CHIEF.job and type(results[str(role)].get("step")) is not int:
            raise RoleFailedError(f"{role} ended without telling its last step: got {dict(results[str(role)])!r}")
    chief = results[str(CHIEF)]
    target = config.max_number_of_steps
    if target is None or (config.early_stopping_evaluations is not None and chief.get("stopped_early")):
        target = chief["step"]
    found = checkpoint.newest_valid(config.train_dir)
    if found is None:
        raise CheckpointError(f"{config.train_dir} holds no valid checkpoint, though every role reported its end")
    if found.step < target:
        skipped = "".join(f"; step {step}: {reason}" for step, reason in found.skipped)
        raise CheckpointError(
            f"the newest valid checkpoint {found.prefix_url} is at step {found.step}, wanted {target}{skipped}"
        )
    if found.prefix_url != chief.get("checkpoint"):
        raise CheckpointError(
            f"the newest valid checkpoint is {found.prefix_url}, the chief ended with {chief.get('checkpoint')}"
        )
    return found
