"""The worker of a training run."""

from __future__ import annotations

import warnings
from typing import Any

from sparkcv.nets.slim import tf  # first: whoever imports TensorFlow without it has pandas come along

# isort: split
from sparkcv import config as configs
from sparkcv.config import TrainConfig
from sparkcv.records.shards import Dataset
from sparkcv.roles import NodeContext
from sparkcv.train.worker import Worker

__all__ = ["main"]


def main(ctx: NodeContext) -> dict[str, Any]:
    """Train; ``ctx`` and what is returned and raised are as :mod:`sparkcv.programs.train` says."""
    tf.logging.set_verbosity(tf.logging.ERROR)
    warnings.filterwarnings("ignore", message=".* is deprecated and will be removed", category=UserWarning)
    config = configs.from_dict(TrainConfig, ctx.params["config"])
    return Worker(ctx, config, Dataset.from_dict(ctx.params["dataset"])).run()
