"""How many parameter servers a run gets that does not say it: by the bytes of its net, which all workers share.

Each step a worker fetches the weights from the ps and sends as many bytes of gradients back: a large net wants several,
so that no single ps has to move all of it. A ps that is not needed is an executor without a worker.
"""

import dataclasses
import math
from typing import TypeVar

from sparkcv import nets
from sparkcv.config import TrainConfig
from sparkcv.doctor import estimate

__all__ = ["BYTES_EACH", "settled", "why"]

Config = TypeVar("Config", bound=TrainConfig)

BYTES_EACH = 128e6


def settled(config: Config) -> Config:
    """Return the flags with ``num_ps_tasks`` set, unless it is, or the number of roles is not known yet.

    None for a single worker; else one for each :data:`BYTES_EACH` of weights that are begun, and no more than workers.
    """
    if config.num_ps_tasks is not None:
        return config
    wanted = math.ceil(estimate.net_bytes(nets.get(config.model_name).name) / BYTES_EACH)
    if config.cluster_size is not None:
        roles = config.cluster_size - config.num_evaluators
        return dataclasses.replace(config, num_ps_tasks=min(wanted, roles // 2))
    if config.worker_replicas > 1:
        return dataclasses.replace(config, num_ps_tasks=min(wanted, config.worker_replicas))
    return config


def why(config: TrainConfig) -> str:
    """Return the sentence about a number of ps that was settled, for people."""
    size = estimate.net_bytes(config.model_name) / 1e6
    workers = f"{config.num_workers} worker{'s' * (config.num_workers != 1)}"
    return (
        f"--num_ps_tasks is not given: {config.num_ps} ps beside {workers}, as {config.model_name} has {size:.0f} MB of"
        f" weights, one ps for each {BYTES_EACH / 1e6:.0f} MB that are begun, no more than workers, none for a single"
        " role"
    )
