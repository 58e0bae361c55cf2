"""Flags of training that are given and change nothing: a command line of slim's runs as it is, and is told of them."""

from collections.abc import Mapping, Sequence

from sparkcv import logs
from sparkcv.config import TrainConfig

__all__ = ["explain", "warn"]

_OF_OPTIMIZER: Mapping[str, Sequence[str]] = {
    "adadelta": ("adadelta_rho", "opt_epsilon"),
    "adagrad": ("adagrad_initial_accumulator_value",),
    "adam": ("adam_beta1", "adam_beta2", "opt_epsilon"),
    "ftrl": ("ftrl_learning_rate_power", "ftrl_initial_accumulator_value", "ftrl_l1", "ftrl_l2"),
    "momentum": ("momentum",),
    "rmsprop": ("rmsprop_momentum", "rmsprop_decay", "opt_epsilon"),
    "sgd": (),
}
_OF_DECAY: Mapping[str, Sequence[str]] = {
    "fixed": (),
    "exponential": ("learning_rate_decay_factor", "num_epochs_per_decay"),
    "polynomial": ("end_learning_rate", "num_epochs_per_decay"),
    "cosine": ("end_learning_rate", "num_epochs_per_decay"),
}
_OF_EVALUATOR = ("eval_split_name", "eval_max_images", "eval_num_threads", "eval_last_s")
_log = logs.get(__name__)


def explain(config: TrainConfig) -> None:
    """Warn of each flag that is set and has no effect beside the others, and of a decay that is none."""
    if config.master:
        _log.warning(
            "--master %s is unused: Spark places the roles and each worker opens its own session", config.master
        )
    if config.task:
        _log.warning("--task %d is unused: each Spark task gets its own index", config.task)
    warn(config, _others(_OF_OPTIMIZER, config.optimizer), f"--optimizer {config.optimizer} does not read it")
    decay = config.learning_rate_decay_type
    warn(config, _others(_OF_DECAY, decay), f"--learning_rate_decay_type {decay} does not read it")
    if decay == "polynomial" and config.end_learning_rate > config.learning_rate:  # cosine decay is refused then
        _log.warning(
            "--end_learning_rate %g is more than --learning_rate %g: polynomial decay rises to it",
            config.end_learning_rate, config.learning_rate,
        )  # fmt: skip
    if not config.sync_replicas:
        warn(config, ["replicas_to_aggregate"], "only --sync_replicas collects gradients")
    if not config.num_evaluators:
        warn(config, _OF_EVALUATOR, "only --num_evaluators 1 evaluates while training")


def warn(config: TrainConfig, names: Sequence[str], why: str) -> None:
    """Warn of those of ``names`` that are set: ``why`` says what makes them useless."""
    for name in config.set_among(names):
        _log.warning("--%s %s is unused: %s", name, getattr(config, name), why)


def _others(read: Mapping[str, Sequence[str]], chosen: str) -> list[str]:
    """Return the flags that others than ``chosen`` read."""
    return sorted({name for names in read.values() for name in names} - set(read[chosen]))
