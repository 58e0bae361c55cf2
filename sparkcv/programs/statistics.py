"""The program that counts statistics: one worker's share of the records, once each, as the evaluation's pixels."""

from __future__ import annotations

import time
from typing import Any

from sparkcv.nets.slim import tf  # first: whoever imports TensorFlow without it has pandas come along

# isort: split
from sparkcv import config as configs
from sparkcv import preprocess, storage
from sparkcv.config import StatisticsConfig
from sparkcv.errors import ClusterError
from sparkcv.inputs.batches import eval_batches
from sparkcv.inputs.pipeline import Reading
from sparkcv.inputs.quarantine import Quarantine
from sparkcv.inputs.spool import Spool, share
from sparkcv.inputs.validate import ImageCheck
from sparkcv.preprocess.normalization import Normalization
from sparkcv.records.shards import Dataset, assign
from sparkcv.records.statistics import FittedOn, Moments
from sparkcv.roles import NodeContext

__all__ = ["main"]

_REPORT_S = 2.0
_SPOOL_BYTES = 4 << 30


def main(ctx: NodeContext) -> dict[str, Any]:
    """Count this worker's share and write its part, ``INDEX.npz`` in ``parts_url``.

    Return ``num_rejected``, and as ``first_reject`` where and why, "" without one.

    ``ctx.params`` holds ``config`` (a StatisticsConfig), ``dataset`` (a Dataset), ``of`` (a FittedOn), all as dicts,
    and ``num_workers`` and ``parts_url``. Raise DataError, BudgetError and StorageError as one sentence each.
    """
    params = ctx.params
    config, dataset = configs.from_dict(StatisticsConfig, params["config"]), Dataset.from_dict(params["dataset"])
    of = FittedOn(**params["of"])
    shape = (of.image_size, of.image_size, 1 if of.use_grayscale else 3)
    moments = Moments(shape, has_covariance=config.whitening is not None)
    quarantine = Quarantine(dataset.num_records, config.bad_record_budget)
    assignments = assign(dataset.shards, ctx.role.index, params["num_workers"])
    if share(assignments) != 0:
        spool = Spool(
            assignments,
            ctx.scratch_dir,
            max_bytes=max(_SPOOL_BYTES, 3 * max(each.shard.num_bytes for each in assignments)),
            seed=None,
            num_epochs=1,
            check=ImageCheck(dataset.num_classes, 0, config.max_pixels, dataset.features),
            quarantine=quarantine,
        )
        with spool:
            _count(ctx, config, dataset, of, spool, moments)
    moments.write(storage.join(params["parts_url"], f"{ctx.role.index}.npz"))
    first = [f"{each.url} at offset {each.offset}: {each.reason}" for each in quarantine.first(1)]
    return {"num_rejected": quarantine.count, "first_reject": "".join(first)}


def _count(
    ctx: NodeContext, config: StatisticsConfig, dataset: Dataset, of: FittedOn, spool: Spool, moments: Moments
) -> None:
    told_s = 0.0
    with tf.Graph().as_default(), tf.Session() as session:
        batches = eval_batches(
            spool,
            preprocess.get(of.preprocessing).normalized(Normalization("rescale")),
            image_size=of.image_size,
            batch_size=config.batch_size,
            reading=Reading(dataset.features, 0, config.jpeg_arithmetic, config.exif_orientation),
            use_grayscale=config.use_grayscale,
            num_threads=config.num_preprocessing_threads,
        )
        session.run(batches.initializer)
        while not ctx.stop_requested():
            try:
                values = session.run({"images": batches.images, **batches.key})
            except tf.errors.OutOfRangeError:
                batches.finish()
                return
            batches.ids(values)
            moments.add(values["images"])
            if time.monotonic() - told_s >= _REPORT_S:
                told_s = time.monotonic()
                ctx.report({"examples": moments.num_records})
    raise ClusterError(f"{ctx.role} was told to stop after {moments.num_records} pictures")
