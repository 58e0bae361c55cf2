"""The scopes of fine-tuning and of learning rates, and a checkpoint to start from, against the net's variables.

These are asked of a process that builds the net, which takes some seconds, before anything starts.
"""

from sparkcv import logs
from sparkcv.config import TrainConfig
from sparkcv.config.number_lists import parse_scales
from sparkcv.driver import net_variables
from sparkcv.driver.net_variables import AskedNet, NetVariables, NoAnswerError
from sparkcv.driver.train_start import Start
from sparkcv.rundir.checkpoint_index import CheckpointIndex
from sparkcv.train import scopes, warmstart_plan

__all__ = ["check", "check_restored", "check_scopes"]

_log = logs.get(__name__)


def check(config: TrainConfig, num_classes: int, start: Start | None = None) -> None:
    """Refuse a scope that matches no variable of the net, one that leaves nothing, and a checkpoint that does not fit.

    Where the process that knows the net cannot run, as without TensorFlow, that is left to the workers. A checkpoint of
    the first version is compared by them, too; a model was compared when it was read, and the net with it.

    Raises:
        UsageError: a scope that matches nothing, or nothing is left to train, or to restore.
        CheckpointError: the checkpoint lacks variables that are to be restored, or has other shapes of them.
    """
    index = start.index if start else None
    if index is None and config.trainable_scopes is None and config.learning_rate_scales is None:
        return
    try:
        known = (start and start.known) or net_variables.ask(AskedNet.trained_by(config, num_classes))
    except (NoAnswerError, OSError) as err:
        _log.warning("scopes and checkpoint are compared with the net by the workers, not before: %s", err)
        return
    check_scopes(config, known)
    if index is not None:
        check_restored(config, known, index)


def check_scopes(config: TrainConfig, known: NetVariables) -> None:
    """Raise UsageError for a scope to train, or with a learning rate, that matches nothing, or leaves nothing."""
    is_lenient = config.ignore_missing_scopes
    trained = scopes.to_train(config.trainable_scopes, known.trainable, ignore_missing_scopes=is_lenient)
    scopes.rate_scales(parse_scales(config.learning_rate_scales), trained)


def check_restored(config: TrainConfig, known: NetVariables, index: CheckpointIndex) -> None:
    """Raise UsageError or CheckpointError where the variables to restore are not those of the checkpoint."""
    warmstart_plan.plan(
        index.prefix_url,
        index.shapes,
        known.model,
        exclude_scopes=config.checkpoint_exclude_scopes,
        ignore_missing_vars=config.ignore_missing_vars,
        ignore_missing_scopes=config.ignore_missing_scopes,
    )
