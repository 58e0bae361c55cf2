"""The evaluation program: one evaluator's share of the records, once each, through the net at one checkpoint.

It reads the checkpoint and the shards, and writes one file, its part of the results, into the driver's folder for
parts. It never writes to the run's folder, and the global step is only read.
"""

from __future__ import annotations

import platform
import time
from typing import Any

import numpy as np

from sparkcv.nets.slim import tf  # first: whoever imports TensorFlow without it has pandas come along

# isort: split
from sparkcv import logs, nets, preprocess, storage
from sparkcv.config import EvalConfig
from sparkcv.config.normalization import OWN
from sparkcv.errors import CheckpointError, ClusterError, RecordError, StorageError
from sparkcv.evaluate import part as parts
from sparkcv.evaluate import restore
from sparkcv.evaluate.metrics import NO_PREDICTION, Tally, probabilities
from sparkcv.evaluate.part import EvaluatedPart, Mistake
from sparkcv.evaluate.task import Task, part_name
from sparkcv.evaluate.thumbnail import thumbnail
from sparkcv.inputs.batches import EvalBatches, ExampleId, eval_batches
from sparkcv.inputs.pipeline import Reading, own_orientation
from sparkcv.inputs.quarantine import Quarantine
from sparkcv.inputs.spool import Spool, share
from sparkcv.inputs.validate import ImageCheck
from sparkcv.preprocess.normalization import Normalization
from sparkcv.records import compression, example, tfrecord
from sparkcv.records.shards import Assignment, assign
from sparkcv.records.statistics import Statistics
from sparkcv.roles import NodeContext, share_of_cores
from sparkcv.train import imported

REPORT_S = 2.0
_SPOOL_BYTES = 4 << 30
_HELD_MISTAKES = 1000
_MOST_FRAME_BYTES = 64 << 20  # that are looked for in a compressed shard

_log = logs.get(__name__)


def main(ctx: NodeContext) -> dict[str, Any]:
    """Evaluate this role's share; return ``{"num_examples", "num_rejected", "step", "seconds"}``.

    Raise CheckpointError, DataError and StorageError as one sentence each.
    """
    task = Task.from_params(ctx.params)
    started_s = time.monotonic()
    local = imported.fetch(task.found, ctx.scratch_dir, task.config.model_name)
    result = evaluate(ctx, task, local)
    result.seconds = time.monotonic() - started_s
    parts.write(storage.join(task.parts_url, part_name(ctx.role.index)), result)
    return {
        "num_examples": result.tally.num_examples,
        "num_rejected": result.num_rejected,
        "step": result.step,
        "seconds": result.seconds,
    }


def evaluate(
    ctx: NodeContext, task: Task, local: str, *, use_gpus: bool = True, spool_bytes: int = _SPOOL_BYTES
) -> EvaluatedPart:
    """Evaluate this role's share of the records at the checkpoint that was fetched to the prefix ``local``.

    Reports ``{"examples", "target"}`` now and then. Raise as :func:`main`, and ClusterError once it was told to stop.
    """
    assignments = assign(task.dataset.shards, ctx.role.index, task.num_evaluators)
    result = EvaluatedPart(
        step=_step(task, local), tally=Tally(task.num_classes, task.config.top_k), versions=_versions()
    )
    if share(assignments) != 0:
        settings = _session_config(ctx, task.config.num_intra_op_threads, use_gpus)
        _evaluate(ctx, task, local, assignments, result, settings, spool_bytes)
    return result


def _step(task: Task, local: str) -> int:
    """Return the global step that the checkpoint itself holds."""
    step = restore.read_step(local)
    if step is None:
        _log.warning("%s holds no global step: its numbers stand at step %d", task.found.prefix_url, task.found.step)
        return max(0, task.found.step)
    if task.found.manifest and step != task.found.step:
        raise CheckpointError(f"{task.found.prefix_url!r} holds step {step}, its manifest says {task.found.step}")
    return step


def _versions() -> dict[str, str]:
    return {"python": platform.python_version(), "tensorflow": tf.__version__, "numpy": np.__version__}


def _evaluate(
    ctx: NodeContext,
    task: Task,
    local: str,
    assignments: list[Assignment],
    result: EvaluatedPart,
    settings: Any,
    spool_bytes: int,
) -> None:
    """Run the net over the assignments and add to ``result``."""
    config, dataset = task.config, task.dataset
    # The budget is of the whole split: its bad records may all be this evaluator's.
    quarantine = Quarantine(dataset.num_records, config.bad_record_budget)
    check = ImageCheck(dataset.num_classes, config.labels_offset, config.max_pixels, dataset.features)
    largest = max(each.shard.num_bytes for each in assignments)
    spool = Spool(
        assignments,
        ctx.scratch_dir,
        max_bytes=max(spool_bytes, 3 * largest),
        seed=None,
        num_epochs=1,
        check=check,
        quarantine=quarantine,
    )
    with spool, tf.Graph().as_default():
        batches, logits, saver = _build(task, spool, local)
        with tf.Session(config=settings) as session:
            saver.restore(session, local)
            session.run(batches.initializer)
            mistakes = _Mistakes(config.num_worst, _reading(task))
            ended = _run(ctx, task, session, batches, logits, result.tally, mistakes, share(assignments))
        if ended:
            batches.finish()
        elif spool.error is not None:
            raise spool.error
    result.reject(quarantine.first(_HELD_MISTAKES))
    unlisted = quarantine.count - result.num_rejected
    if unlisted:
        result.reasons["(more, not listed)"] += unlisted
    result.mistakes = mistakes.drawn(config.max_pixels)


def _build(task: Task, spool: Spool, local: str) -> tuple[EvalBatches, Any, Any]:
    config = task.config
    net = nets.get(config.model_name)
    batches = eval_batches(
        spool,
        preprocess.get(config.preprocessing_name or net.preprocessing).normalized(_normalization(config)),
        image_size=task.image_size,
        batch_size=config.batch_size,
        reading=_reading(task),
        use_grayscale=config.use_grayscale,
        num_threads=config.num_preprocessing_threads,
    )
    logits, _ = net.build(batches.images, task.num_classes, is_training=False)
    wanted = restore.wanted_variables(config.moving_average_decay)
    name = f"the dataset {config.dataset_name}/{config.dataset_split_name} in {config.dataset_dir!r}"
    restore.check(local, task.found.prefix_url, wanted, num_classes=task.num_classes, dataset=name)
    return batches, logits, restore.restorer(wanted)


def _normalization(config: EvalConfig) -> Normalization:
    statistics = Statistics.read(config.statistics) if config.statistics else None
    return Normalization(config.normalization or OWN, statistics)


def _reading(task: Task) -> Reading:
    config = task.config
    return Reading(task.dataset.features, config.labels_offset, config.jpeg_arithmetic, config.exif_orientation)


def _session_config(ctx: NodeContext, num_threads: int, use_gpus: bool) -> Any:
    """Return threads as asked, or (0) this machine's cores shared with its other evaluators."""
    threads = num_threads or share_of_cores(ctx, ctx.role.job)
    return tf.ConfigProto(
        intra_op_parallelism_threads=threads,
        inter_op_parallelism_threads=max(2, threads),
        device_count={} if use_gpus else {"GPU": 0},
    )


def _run(
    ctx: NodeContext,
    task: Task,
    session: Any,
    batches: EvalBatches,
    logits: Any,
    tally: Tally,
    mistakes: _Mistakes,
    target: int | None,
) -> bool:
    """Take batches until the end of the data (return True) or of --max_num_batches (False)."""
    limit = task.max_batches(ctx.role.index)
    fetches = {"logits": logits, "labels": batches.labels, **batches.key}
    num_batches, reported_s = 0, 0.0
    while limit is None or num_batches < limit:
        if ctx.stop_requested():
            raise ClusterError(f"{ctx.role} was told to stop after {tally.num_examples} examples")
        try:
            values = session.run(fetches)
        except tf.errors.OutOfRangeError:
            return True
        left = None if task.max_examples is None else task.max_examples - tally.num_examples
        found, labels = values["logits"][:left], values["labels"][:left]
        mistakes.add(found, labels, tally.update(found, labels), batches.ids(values)[:left])
        num_batches += 1
        if time.monotonic() - reported_s >= REPORT_S:
            reported_s = time.monotonic()
            ctx.report({"examples": tally.num_examples, "target": target})
    return False


class _Mistakes:
    """The worst mistakes so far, without their pictures: at most a few times ``limit`` are held."""

    def __init__(self, limit: int, reading: Reading) -> None:
        self._limit = limit
        self._reading = reading
        self._held: list[tuple[Mistake, ExampleId]] = []

    def add(self, logits: Any, labels: Any, predicted: Any, ids: list[ExampleId]) -> None:
        """Take a batch: logits [n, classes], labels and predicted classes [n], identities."""
        scores = probabilities(logits)
        for i in np.flatnonzero((predicted != labels) & (predicted != NO_PREDICTION)):
            true, guess = int(labels[i]), int(predicted[i])
            where = ids[i].filename or f"{storage.basename(ids[i].url)} at byte {ids[i].offset}"
            mistake = Mistake(true, guess, float(scores[i, guess]), float(scores[i, true]), where)
            self._held.append((mistake, ids[i]))
        if len(self._held) > 4 * self._limit:
            self._held = self._worst()

    def drawn(self, max_pixels: int) -> list[Mistake]:
        """Return the worst with pictures, read again from their shards: keeping them all would cost memory."""
        return [
            Mistake(**{**vars(mistake), "thumbnail": _thumbnail(identity, self._reading, max_pixels)})
            for mistake, identity in self._worst()
        ]

    def _worst(self) -> list[tuple[Mistake, ExampleId]]:
        return sorted(self._held, key=lambda pair: (-pair[0].score, pair[0].where))[: self._limit]


def _thumbnail(identity: ExampleId, reading: Reading, max_pixels: int) -> bytes:
    """Draw the picture of one record as the net saw it; empty, without failing, if it cannot be read again."""
    start = identity.offset
    try:
        (record,) = tfrecord.read_records(_frame(identity.url, start), identity.url)
        found = example.decode(bytes(record.payload), identity.url, reading.names)
        turned = own_orientation(found.encoded) if reading.use_exif and found.orientation == 1 else found.orientation
        return thumbnail(found.encoded, max_pixels=max_pixels, orientation=turned)
    except (StorageError, RecordError, ValueError) as err:
        _log.warning("no picture of the record at byte %d of %s: %s", start, identity.url, err)
        return b""


def _frame(url: str, start: int) -> bytes:
    """Return the frame at an offset of a shard, which counts in the content of a compressed one."""
    if compression.is_compressed(storage.read_bytes(url, 0, tfrecord.HEADER_BYTES)):
        rest = compression.expand_start(storage.read_bytes(url), start + _MOST_FRAME_BYTES)[start:]
        return rest[: _frame_bytes(rest)]
    return storage.read_bytes(url, start, start + _frame_bytes(storage.read_bytes(url, start, start + 8)))


def _frame_bytes(head: bytes) -> int:
    return tfrecord.HEADER_BYTES + int.from_bytes(head[:8], "little") + tfrecord.FOOTER_BYTES
