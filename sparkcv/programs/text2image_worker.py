"""The worker of a training of pictures from captions: that of a classifier with other nets, losses and input."""

from __future__ import annotations

import warnings
from typing import Any

from sparkcv.nets.slim import tf  # first: whoever imports TensorFlow without it has pandas come along

# isort: split
from sparkcv import config as configs
from sparkcv.config import TrainText2ImageConfig
from sparkcv.records.shards import Dataset
from sparkcv.roles import NodeContext
from sparkcv.text2image import gan_tower
from sparkcv.text2image.gan_losses import GanWeights
from sparkcv.text2image.gan_of_config import spec_of
from sparkcv.train.worker import Worker

__all__ = ["main"]


def main(ctx: NodeContext) -> dict[str, Any]:
    """Train; what ``ctx`` holds and what is returned and raised is as :mod:`.train` says."""
    tf.logging.set_verbosity(tf.logging.ERROR)
    warnings.filterwarnings("ignore", message=".* is deprecated and will be removed", category=UserWarning)
    config = configs.from_dict(TrainText2ImageConfig, ctx.params["config"])
    dataset = Dataset.from_dict(ctx.params["dataset"])
    names = dataset.features
    spec = spec_of(ctx.params["config"], names.text_size, dataset.num_classes)
    weights = GanWeights(0.5 if not config.unhalved_losses else 1.0, config.real_target)
    return Worker(ctx, config, dataset, gan_tower.build_tower(spec, names, weights)).run()
