"""The worker of a style net's training: that of a classifier with another net and loss."""

from __future__ import annotations

import dataclasses
import warnings
from typing import Any

from sparkcv.nets.slim import tf  # first: whoever imports TensorFlow without it has pandas come along

# isort: split
from sparkcv import config as configs
from sparkcv import nets
from sparkcv.config import TrainStyleConfig
from sparkcv.records.shards import Dataset
from sparkcv.roles import NodeContext
from sparkcv.style import style_tower
from sparkcv.style.transformer_spec import SCOPE
from sparkcv.train.warmstart import Source
from sparkcv.train.worker import Worker

__all__ = ["main"]


def main(ctx: NodeContext) -> dict[str, Any]:
    """Train; what ``ctx`` holds and what is returned is as :mod:`.train` says.

    Only the style net is trained. Raises UsageError for end points that the fixed net does not have, ImageError for a
    style that is no picture, and what a classifier's training raises.
    """
    tf.logging.set_verbosity(tf.logging.ERROR)
    warnings.filterwarnings("ignore", message=".* is deprecated and will be removed", category=UserWarning)
    config = configs.from_dict(TrainStyleConfig, ctx.params["config"])
    size = config.train_image_size or nets.get(config.model_name).default_image_size
    tower = style_tower.build_tower(config, style_tower.read_style(config.style_image, size))
    # Set here, behind the checks that the flags of fine-tuning must pass: the flags name scopes of the fixed net.
    object.__setattr__(config, "trainable_scopes", SCOPE)

    def begin_with(source: Source) -> Source:
        return dataclasses.replace(source, without=SCOPE)

    return Worker(ctx, config, Dataset.from_dict(ctx.params["dataset"]), tower, begin_with).run()
