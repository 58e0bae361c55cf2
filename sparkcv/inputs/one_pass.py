"""One pass over data for an evaluation: in order, everything once, each example with its name."""

from __future__ import annotations

import dataclasses
from typing import Any

import tensorflow.compat.v1 as tf

from sparkcv.inputs import pipeline
from sparkcv.inputs.quarantine import RejectedRecord
from sparkcv.inputs.spool import Spool
from sparkcv.preprocess import Preprocessing

__all__ = ["EvalBatches", "ExampleId", "eval_batches"]


@dataclasses.dataclass(frozen=True)
class ExampleId:
    """Which example a prediction is about: the stored shard, the byte offset of its record, its file name."""

    url: str
    offset: int
    filename: str


class EvalBatches:
    """One pass over a spool in its order, for evaluation; made by :func:`eval_batches`.

    Run ``initializer`` once (a MonitoredSession does it by itself), then fetch the tensors together, with what a net
    makes of them, until ``tf.errors.OutOfRangeError``; then :meth:`finish`. Hand the fetched ``source``, ``ordinal``
    and ``filename`` of every batch to :meth:`ids`: that also keeps the account by which ``finish`` names the lost::

        with Spool(parts, scratch, max_bytes=..., seed=None, num_epochs=1, check=...) as spool:
            batches = eval_batches(spool, preprocessing, image_size=299, batch_size=100)
            logits, _ = net.build(batches.images, num_classes, is_training=False)
            ...
                values = session.run({"logits": logits, "labels": batches.labels, **batches.key})
                ids = batches.ids(values)
            rejects = batches.finish()

    Attributes:
        images: float32 ``[n, size, size, channels]``; ``n`` is ``batch_size``, less in the last batch.
        labels: int64 ``[n]``, with ``reading.labels_offset`` taken off.
        key: ``source`` (int64), ``ordinal`` (int64) and ``filename`` (string), each ``[n]``.
        initializer: operation that starts the pass.
    """

    def __init__(self, spool: Spool, iterator: Any) -> None:
        self._spool = spool
        self._seen: dict[int, set[int]] = {}
        self.initializer = iterator.initializer
        self.images, self.labels, source, ordinal, filename = iterator.get_next()
        self.key = {"source": source, "ordinal": ordinal, "filename": filename}

    def ids(self, values: dict[str, Any]) -> list[ExampleId]:
        """Return the identity of each example of a fetched batch, in its order."""
        found = []
        for source, ordinal, name in zip(values["source"], values["ordinal"], values["filename"], strict=True):
            self._seen.setdefault(int(source), set()).add(int(ordinal))
            url, offset = self._spool.where(int(source), int(ordinal))
            found.append(ExampleId(url, offset, name.decode("utf-8", "replace")))
        return found

    def finish(self) -> list[RejectedRecord]:
        """Return the records that the decoder refused; raises what went wrong in the spool, and BudgetError.

        Only after the pass's end: what was not delivered by then is lost.
        """
        if self._spool.error is not None:
            raise self._spool.error
        rejects = []
        for source in range(self._spool.num_sources):
            for ordinal in range(self._spool.num_spooled(source)):
                if ordinal not in self._seen.get(source, ()):
                    url, offset = self._spool.where(source, ordinal)
                    rejects.append(RejectedRecord(url, offset, "TensorFlow cannot decode the picture"))
        self._spool.quarantine.add(rejects)
        return rejects


def eval_batches(
    spool: Spool,
    preprocessing: Preprocessing,
    *,
    image_size: int,
    batch_size: int,
    reading: pipeline.Reading = pipeline.AS_SLIM,
    use_grayscale: bool = False,
    num_threads: int = 4,
) -> EvalBatches:
    """Add one pass over a spool to the default graph: in order, nothing shuffled, the last partial batch kept.

    The spool must have been opened with ``seed=None`` and ``num_epochs=1``.
    """

    def decode(source: tf.Tensor, ordinal: tf.Tensor, serialized: tf.Tensor) -> tuple[tf.Tensor, ...]:
        picture, label, filename = pipeline.parse(serialized, reading)
        image = preprocessing.for_eval(picture, image_size, use_grayscale=use_grayscale)
        return image, label, source, ordinal, filename

    def numbered(path: tf.Tensor, ticket: tf.Tensor, source: tf.Tensor) -> tf.data.Dataset:
        records = pipeline.records(spool)(path, ticket, source).enumerate()
        return records.map(pipeline.plain(lambda ordinal, serialized: (source, ordinal, serialized)))

    with tf.device("/cpu:0"), tf.name_scope("inputs"):
        decoded = pipeline.shards(spool).flat_map(pipeline.plain(numbered))
        decoded = decoded.map(pipeline.plain(decode), num_parallel_calls=num_threads, deterministic=True)
        batched = decoded.ignore_errors().batch(batch_size).prefetch(1)
        return EvalBatches(spool, pipeline.iterate(batched, num_threads))
