"""What a family of nets is asked for, in one value: the families' ``build`` takes pictures and this."""

from dataclasses import dataclass

__all__ = ["BatchNorm", "Options"]


@dataclass(frozen=True)
class BatchNorm:
    """How a net normalises: ``decay`` of its moving averages, and what ``epsilon`` adds to each variance."""

    decay: float
    epsilon: float


@dataclass(frozen=True)
class Options:
    """One net as it is to be built.

    ``num_classes`` None leaves the last layer off. ``global_pool`` averages over whatever area is left in place of a
    window of a fixed extent; nets that always do are not changed by it. ``batch_norm`` is without meaning for a net
    that does not normalise.
    """

    name: str
    num_classes: int | None
    is_training: bool
    weight_decay: float
    batch_norm: BatchNorm
    global_pool: bool = False
    reuse: bool | None = None
