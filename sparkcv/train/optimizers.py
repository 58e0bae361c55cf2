"""The learning rate and the update rule that the flags ask for, with slim's values for what has no flag."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow.compat.v1 as tf

from sparkcv.config import TrainConfig
from sparkcv.errors import UsageError

__all__ = ["clipped", "decay_steps", "learning_rate", "num_slots", "optimizer", "scale_rates"]

_SLOTS = {"adadelta": 2, "adagrad": 1, "adam": 2, "ftrl": 2, "momentum": 1, "rmsprop": 2, "sgd": 0}


def decay_steps(config: TrainConfig, num_records: int) -> int:
    """Return the steps in ``--num_epochs_per_decay`` epochs of ``num_records`` records, at least 1.

    As in slim: counted in batches of one worker and one clone, so asynchronous workers and clones each go over the
    data that often, whereas with ``--sync_replicas`` a step counts ``--replicas_to_aggregate`` batches. slim gets 0
    for a dataset smaller than a step, and a learning rate of NaN from it.
    """
    return max(1, int(_steps_per_epoch(config, num_records) * config.num_epochs_per_decay))


def _steps_per_epoch(config: TrainConfig, num_records: int) -> float:
    steps = num_records / config.batch_size
    return steps / config.replicas_to_aggregate if config.sync_replicas else steps


def learning_rate(config: TrainConfig, num_records: int, global_step: Any) -> Any:
    """Return the scalar float32 rate at ``global_step``; exponential decay is a staircase, polynomial linear.

    Cosine decay (https://arxiv.org/abs/1608.03983, without restarts) falls over ``decay_steps`` from
    ``--learning_rate`` to ``--end_learning_rate``, and stays there, as polynomial does.

    With ``--warmup_epochs`` it is no more than a line from 0 at step 0 to ``--learning_rate`` after so many epochs. As
    in slim the decay goes on below the line: its steps are counted from 0 too.
    """
    decayed = _decayed(config, num_records, global_step)
    if not config.warmup_epochs:
        return decayed
    warmup_steps = _steps_per_epoch(config, num_records) * config.warmup_epochs
    return tf.minimum(config.learning_rate * tf.cast(global_step, tf.float32) / warmup_steps, decayed)


def _decayed(config: TrainConfig, num_records: int, global_step: Any) -> Any:
    steps = decay_steps(config, num_records)
    kind = config.learning_rate_decay_type
    if kind == "fixed":
        return tf.constant(config.learning_rate, tf.float32, name="fixed_learning_rate")
    if kind == "exponential":
        return tf.train.exponential_decay(
            config.learning_rate,
            global_step,
            steps,
            config.learning_rate_decay_factor,
            staircase=True,
            name="exponential_decay_learning_rate",
        )
    if kind == "polynomial":
        return tf.train.polynomial_decay(
            config.learning_rate,
            global_step,
            steps,
            config.end_learning_rate,
            power=1.0,
            cycle=False,
            name="polynomial_decay_learning_rate",
        )
    if kind == "cosine":
        return tf.train.cosine_decay(
            config.learning_rate,
            global_step,
            steps,
            alpha=config.end_learning_rate / config.learning_rate,
            name="cosine_decay_learning_rate",
        )
    raise UsageError(
        f"unknown --learning_rate_decay_type {kind!r}, wanted 'fixed', 'exponential', 'polynomial' or 'cosine'"
    )


def optimizer(config: TrainConfig, rate: Any) -> Any:
    """Return the ``tf.train.Optimizer`` of ``config.optimizer``, with learning rate ``rate`` and the flags' values."""
    makers: dict[str, Callable[[], Any]] = {
        "adadelta": lambda: tf.train.AdadeltaOptimizer(rate, rho=config.adadelta_rho, epsilon=config.opt_epsilon),
        "adagrad": lambda: tf.train.AdagradOptimizer(
            rate, initial_accumulator_value=config.adagrad_initial_accumulator_value
        ),
        "adam": lambda: tf.train.AdamOptimizer(
            rate, beta1=config.adam_beta1, beta2=config.adam_beta2, epsilon=config.opt_epsilon
        ),
        "ftrl": lambda: tf.train.FtrlOptimizer(
            rate,
            learning_rate_power=config.ftrl_learning_rate_power,
            initial_accumulator_value=config.ftrl_initial_accumulator_value,
            l1_regularization_strength=config.ftrl_l1,
            l2_regularization_strength=config.ftrl_l2,
        ),
        "momentum": lambda: tf.train.MomentumOptimizer(rate, momentum=config.momentum),
        "rmsprop": lambda: tf.train.RMSPropOptimizer(
            rate, decay=config.rmsprop_decay, momentum=config.rmsprop_momentum, epsilon=config.opt_epsilon
        ),
        "sgd": lambda: tf.train.GradientDescentOptimizer(rate),
    }
    if config.optimizer not in makers:
        raise UsageError(f"unknown --optimizer {config.optimizer!r}, wanted one of {', '.join(sorted(makers))}")
    return makers[config.optimizer]()


def num_slots(config: TrainConfig) -> int:
    """Return how many variables of its own shape the optimizer keeps beside each trained variable."""
    return _SLOTS[config.optimizer]


def clipped(gradients: Sequence[tuple[Any, Any]], norm: float | None) -> list[tuple[Any, Any]]:
    """Scale (gradient, variable) pairs down so that the norm of all gradients together is at most ``norm``.

    Unlike slim's own ``clip_gradient_norm``, which clips each gradient for itself and so turns the step's direction.
    None leaves them as they are; so do gradients whose norm is smaller. A norm that is not finite makes all NaN.
    """
    if norm is None:
        return list(gradients)
    values, _ = tf.clip_by_global_norm([gradient for gradient, _ in gradients], norm, name="clip_gradient_norm")
    return [(value, variable) for value, (_, variable) in zip(values, gradients, strict=True)]


def scale_rates(optimizer: Any, scales: Mapping[str, float]) -> Any:
    """Have an optimizer of this module update the variables named in ``scales`` by their factor of its learning rate.

    Each update is scaled, not the gradient: Adam, RMSProp, Adagrad and Adadelta divide by the gradient's size, and so
    undo any factor of it. Slots, their names and what a checkpoint holds are as without factors. Return the optimizer.
    """
    if not scales:
        return optimizer
    of_factor: dict[tuple[Any, float], Any] = {}
    # Where its _prepare() leaves the rate; sgd's update of single rows takes what it was made with.
    attributes = ("_lr_t",) if hasattr(optimizer, "_lr_t") else ("_learning_rate_tensor", "_learning_rate")

    def scaling(update: Callable[..., Any]) -> Callable[..., Any]:
        def scaled(gradient: Any, variable: Any, *rows: Any) -> Any:
            factor = scales.get(variable.op.name, 1.0)
            if factor == 1.0:
                return update(gradient, variable, *rows)
            if factor == 0.0:
                return tf.no_op()  # ftrl divides by its rate, and a rate of 0 makes its variable NaN
            former = {name: getattr(optimizer, name) for name in attributes}
            rate = former[attributes[0]]
            key = (rate.ref(), factor)
            if key not in of_factor:
                with tf.device(rate.device):  # one product for all variables, not one beside each
                    of_factor[key] = tf.multiply(rate, tf.constant(factor, rate.dtype), name="scaled_learning_rate")
            try:
                for name in attributes:
                    setattr(optimizer, name, of_factor[key])
                return update(gradient, variable, *rows)
            finally:
                for name, value in former.items():
                    setattr(optimizer, name, value)

        return scaled

    optimizer._resource_apply_dense = scaling(optimizer._resource_apply_dense)
    # The gradient of an embedding is of the rows that were looked up.
    optimizer._resource_apply_sparse_duplicate_indices = scaling(optimizer._resource_apply_sparse_duplicate_indices)
    return optimizer
