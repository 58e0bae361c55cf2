"""The worker of a training of captions: that of a classifier with another net, loss and input."""

from __future__ import annotations

import dataclasses
import warnings
from typing import Any

from sparkcv.nets.slim import tf  # first: whoever imports TensorFlow without it has pandas come along

# isort: split
from sparkcv import config as configs
from sparkcv.caption import caption_start, caption_tower, caption_weights
from sparkcv.config import TrainCaptionsConfig
from sparkcv.records.manifest import read_manifest
from sparkcv.records.shards import Dataset
from sparkcv.roles import NodeContext
from sparkcv.train.warmstart import Source
from sparkcv.train.worker import Worker

__all__ = ["main"]


def main(ctx: NodeContext) -> dict[str, Any]:
    """Train; what ``ctx`` holds and what is returned and raised is as :mod:`.train` says."""
    tf.logging.set_verbosity(tf.logging.ERROR)
    warnings.filterwarnings("ignore", message=".* is deprecated and will be removed", category=UserWarning)
    config = configs.from_dict(TrainCaptionsConfig, ctx.params["config"])
    dataset = Dataset.from_dict(ctx.params["dataset"])
    tower = caption_tower.build_tower(config, dataset.num_classes)
    config = _with_passes(config, dataset)
    if config.train_encoder:
        object.__setattr__(config, "learning_rate", config.encoder_learning_rate)
        if not config.encoder_learning_rate_decays:
            object.__setattr__(config, "learning_rate_decay_type", "fixed")
    else:
        object.__setattr__(config, "trainable_scopes", caption_weights.SCOPES)

    def begin_with(source: Source) -> Source:
        return caption_start.fitted(source, dataset.num_classes, config.checkpoint_exclude_scopes, ctx.scratch_dir)

    return Worker(ctx, config, dataset, tower, begin_with).run()


def _with_passes(config: TrainCaptionsConfig, dataset: Dataset) -> TrainCaptionsConfig:
    """Count epochs in captions: a pass over the records takes one of the captions of each."""
    manifest = read_manifest(dataset.dir)
    said = manifest.splits[dataset.split].pictures.get("captions_per_picture", "1") if manifest is not None else "1"
    passes = max(1.0, float(said))
    return dataclasses.replace(
        config,
        num_epochs_per_decay=config.num_epochs_per_decay * passes,
        warmup_epochs=config.warmup_epochs * passes,
    )
