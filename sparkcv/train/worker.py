"""One worker of a training run, from its start to its result.

Without ps it is one ordinary TensorFlow process with the same graph, input and checkpoints.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import tensorflow.compat.v1 as tf

from sparkcv import logs, nets, preprocess, storage
from sparkcv.config import TrainConfig
from sparkcv.config.augment import Augmentations
from sparkcv.config.train import PRELOADED
from sparkcv.errors import DataError
from sparkcv.inputs.batches import TrainBatches, train_batches
from sparkcv.inputs.decoded_size import DecodedSize
from sparkcv.inputs.filename_queue import share
from sparkcv.inputs.quarantine import Quarantine
from sparkcv.inputs.spool import Spool
from sparkcv.inputs.undecodable import TrialDecoder, UndecodableCheck
from sparkcv.inputs.validate import ImageCheck
from sparkcv.preprocess.normalization import Normalization
from sparkcv.records.assignment import Assignment, assign
from sparkcv.records.shards import Dataset
from sparkcv.records.statistics import Statistics
from sparkcv.roles import NodeContext
from sparkcv.rundir import checkpoint, checkpoint_publication, lease, restart
from sparkcv.train import saver, sessions, step, warmstart, warmstart_plan
from sparkcv.train.loop import InputParts, Restored, TrainingLoop
from sparkcv.train.replicas import Topology
from sparkcv.train.warmstart import Source

__all__ = ["Worker", "images_in"]

_log = logs.get(__name__)


class Worker:
    """A worker, or the chief, of a training run; whatever it opens it closes.

    ``build_tower`` makes another net and loss than those of a classifier, see :mod:`.step`; ``begin_with`` gives, for
    the checkpoint to start from, the one that fits this net.
    """

    def __init__(
        self,
        ctx: NodeContext,
        config: TrainConfig,
        dataset: Dataset,
        build_tower: step.BuildTower | None = None,
        begin_with: Callable[[Source], Source] = lambda source: source,
    ) -> None:
        self._build_tower, self._begin_with = build_tower, begin_with
        self._ctx, self._config, self._dataset = ctx, config, dataset
        self._topology = Topology(
            num_ps=len(ctx.cluster.get("ps", [])),
            num_workers=len(ctx.cluster.get("worker", [""])),
            task=ctx.role.index,
        )
        self._fence = lease.fence(config.train_dir, ctx.params.get("lease"))
        net = nets.get(config.model_name)
        self._image_size = config.train_image_size or net.default_image_size
        statistics = Statistics.read(config.statistics) if config.statistics else None
        self._preprocessing = (
            preprocess.get(config.preprocessing_name or net.preprocessing)
            .augmented(Augmentations.parse(config.augment))
            .normalized(Normalization(config.normalization, statistics))
        )

    def run(self) -> dict[str, Any]:
        """Train from the newest valid checkpoint, or from the start, to the target.

        Return ``step``, ``checkpoint`` (URL of the last one; None but for the chief), ``images`` and ``seconds`` (this
        worker's), ``num_rejected`` and the first 20 ``rejected``; if --early_stopping_evaluations ended it, why:
        ``stopped_early``; of a run that began from other weights what became of them: ``warm_start``.
        """
        assignments = self._assignments()
        restored = self._restore() if self._topology.is_chief else None
        target = ""
        if self._topology.num_ps:
            sessions.await_ps(self._ctx.cluster["ps"], self._config.start_timeout_s)
            target = sessions.server(self._ctx, sessions.config_of(self._ctx, self._config)).target
        with tf.Graph().as_default(), self._spool(assignments) as spool:
            batches = self._batches(spool, assignments)
            graph = self._graph(batches, restored)
            check = UndecodableCheck(spool, self._decoder, batches.in_flight(), self._dataset.features)
            with contextlib.closing(check) as undecodable:
                inputs = InputParts(spool, batches, undecodable)
                labels = list(self._dataset.labels[self._config.labels_offset :])
                data = {"dataset_digest": self._dataset.digest, "labels": labels}
                loop = TrainingLoop(self._ctx, self._config, self._topology, data, self._fence)
                result = loop.run(graph, inputs, restored, target)
                return result | ({"warm_start": graph.warm_start.counts()} if graph.warm_start else {})

    def _assignments(self) -> list[Assignment]:
        """Return what this worker reads; raises DataError if no record is left for it."""
        assignments = assign(self._dataset.shards, self._topology.task, self._topology.num_workers)
        if share(assignments) == 0:
            raise DataError(
                f"none of the {self._dataset.num_records} records is {self._ctx.role}'s to train on: wanted no more"
                f" workers than records, got {self._topology.num_workers}"
            )
        return assignments

    def _restore(self) -> Restored | None:
        """Clear away what an interrupted save left and fetch the newest valid checkpoint."""
        url = self._config.train_dir
        self._fence()
        for name in checkpoint_publication.clean(url):
            _log.warning("deleted %s, left by an interrupted save", storage.join(url, name))
        got = checkpoint.fetch_newest(url, self._ctx.scratch_dir)
        if got is None:
            restart.refuse_lost(url)
            _log.info("no checkpoint in %s: starting at step 0", url)
            return None
        for skipped, reason in got[0].skipped:
            _log.warning("skipped the checkpoint of step %d: %s", skipped, reason)
        _log.info("resuming from %s", got[0].prefix_url)
        return Restored(*got)

    def _spool(self, assignments: list[Assignment]) -> Spool:
        """Open this worker's spool; a resumed run goes on with the order of later epochs."""
        config, role = self._config, self._ctx.role
        total = share(assignments) or self._dataset.num_records // self._topology.num_workers
        url = storage.join(config.train_dir, "quarantine", f"{role.job}-{role.index}.jsonl")
        is_preloaded = config.input_mode == PRELOADED
        return Spool(
            assignments,
            self._ctx.scratch_dir,
            max_bytes=config.spool_bytes,
            seed=config.seed,
            check=ImageCheck(
                self._dataset.num_classes,
                config.labels_offset,
                config.max_pixels,
                self._dataset.features,
                DecodedSize(config.cache_bytes, total).add if is_preloaded else None,
            ),
            num_epochs=1 if is_preloaded else None,
            first_epoch=self._images_before() // max(1, self._dataset.num_records),
            num_readers=config.num_readers,
            parallel=config.num_fetchers,
            quarantine=Quarantine(total, config.bad_record_budget, url),
        )

    def _images_before(self) -> int:
        """Estimate how many images the run has seen already: the order of shards and augmentations depend on it."""
        return images_in(self._config, checkpoint.newest_step(self._config.train_dir))

    def _batches(self, spool: Spool, assignments: list[Assignment]) -> TrainBatches:
        shard_bytes = sum(part.shard.num_bytes / part.stride for part in assignments)
        return train_batches(
            spool,
            self._config,
            self._preprocessing,
            image_size=self._image_size,
            device=self._topology.host_device,
            seed=self._config.seed + self._topology.task,
            first_picture=self._images_before(),
            record_bytes=shard_bytes / max(1, spool.quarantine.total),
            names=self._dataset.features,
        )

    def _decoder(self) -> TrialDecoder:
        return TrialDecoder(self._preprocessing, self._image_size, self._config.use_grayscale)

    def _graph(self, batches: TrainBatches, restored: Restored | None) -> step.TrainGraph:
        """Build the step; a warm start counts only where there is nothing to resume from."""
        warm_start = None
        if self._config.checkpoint_path and self._topology.is_chief:
            if restored is None:
                url, net = self._config.checkpoint_path, self._config.model_name
                warm_start = self._begin_with(warmstart.fetch(url, self._ctx.scratch_dir, net))
            else:
                _log.info("--checkpoint_path is unused: %s has a checkpoint", self._config.train_dir)
        graph = step.build(
            self._config,
            num_records=self._dataset.num_records,
            num_classes=self._dataset.num_classes - self._config.labels_offset,
            next_batch=batches.next_batch,
            topology=self._topology,
            warm_start=warm_start,
            build_tower=self._build_tower,
        )
        if graph.warm_start is not None:
            self._fence()
            url = storage.join(self._config.train_dir, warmstart_plan.FILE_NAME)
            storage.write_json(url, graph.warm_start.to_dict())
        if restored is not None:
            saver.check_fits(
                restored.prefix, restored.found.prefix_url, self._config.model_name, restored.found.manifest
            )
        return graph


def images_in(config: TrainConfig, steps: int) -> int:
    """Return how many images so many global steps have seen, of all workers together."""
    batches = steps * (config.replicas_to_aggregate if config.sync_replicas else 1)
    return batches * config.batch_size * config.num_clones
