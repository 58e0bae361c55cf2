"""Rows to Arrow batches of answers: what a scoring task does, without Spark and without TensorFlow."""

import datetime
import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import pyarrow as pa

from sparkcv import logs
from sparkcv.errors import StorageError
from sparkcv.predict.predictor import Prediction, RecordPicture, Reject
from sparkcv.predict.rows import InputRow, load
from sparkcv.predict.schema import SCORED

Loaded = tuple[bytes | str, float]  # the picture's bytes, or why there are none, and the milliseconds that it took
Predict = Callable[[Sequence[bytes | RecordPicture], int], list[Prediction | Reject]]

_READERS = 4
_READ_TIMEOUT_S = 600.0


def score_rows(
    rows: Iterable[InputRow],
    predict: Predict,
    *,
    digest: str,
    batch_size: int,
    top_k: int,
    schema: pa.Schema = SCORED,
) -> Iterator[pa.RecordBatch]:
    """Score rows in batches of exactly ``batch_size``, the last one less; one Arrow batch of ``schema`` each.

    It is read as :func:`loaded_batches` says. A row that is rejected has a ``reason`` and neither label nor score.
    ``schema`` is :data:`SCORED`, with the rows' kept columns behind it and what the night's report is made of.
    """
    for of_batch, loaded in loaded_batches(rows, batch_size):
        yield _to_arrow(of_batch, loaded, _score(of_batch, loaded, predict, top_k), digest, schema)


def loaded_batches(rows: Iterable[InputRow], batch_size: int) -> Iterator[tuple[list[InputRow], list[Loaded]]]:
    """Yield rows in batches of exactly ``batch_size``, the last one less, with what was read of each.

    While one batch is used, a few threads read the next: two batches of encoded pictures are held, never more.
    """
    chunks = _chunks(iter(rows), batch_size)
    pool, is_waited_for = ThreadPoolExecutor(_READERS, "read"), True
    try:
        waiting: tuple[list[InputRow], list[Future[Loaded]]] | None = None
        for chunk in itertools.chain(chunks, [None]):
            reading = None if chunk is None else (chunk, [pool.submit(_timed, row) for row in chunk])
            if waiting is not None:
                yield waiting[0], [_result(read, row) for row, read in zip(*waiting, strict=True)]
            waiting = reading
    except _NeverReadError:
        is_waited_for = False  # its thread may never end, and would keep this error from who waits for the task
        raise
    finally:
        pool.shutdown(wait=is_waited_for, cancel_futures=True)


def _chunks(rows: Iterator[InputRow], size: int) -> Iterator[list[InputRow]]:
    while chunk := list(itertools.islice(rows, size)):
        yield chunk


def _score(rows: list[InputRow], read: list[Loaded], predict: Predict, top_k: int) -> list[Prediction | Reject]:
    loaded = [data for data, _ in read]
    pictures = [
        RecordPicture(data, row.orientation) if row.is_record else data
        for data, row in zip(loaded, rows, strict=True)
        if isinstance(data, bytes)
    ]
    answers = iter(predict(pictures, top_k))
    return [Reject(data) if isinstance(data, str) else next(answers) for data in loaded]


def _timed(row: InputRow) -> Loaded:
    started_s = time.monotonic()
    return load(row), 1000 * (time.monotonic() - started_s)


class _NeverReadError(StorageError):
    """A row that a store neither gives nor refuses."""


def _result(read: "Future[Loaded]", row: InputRow) -> Loaded:
    try:
        return read.result(_READ_TIMEOUT_S)
    except TimeoutError as err:
        raise _NeverReadError(f"reading {logs.clean(str(row.url))!r} took more than {_READ_TIMEOUT_S:.0f} s") from err


def _to_arrow(
    rows: list[InputRow], loaded: list[Loaded], results: list[Prediction | Reject], digest: str, schema: pa.Schema
) -> pa.RecordBatch:
    now = datetime.datetime.now(datetime.UTC)
    records = []
    for row, (data, read_ms), result in zip(rows, loaded, results, strict=True):
        record: dict[str, object] = {**row.kept, "id": row.id, "filename": row.filename}
        record |= {"_read_ms": read_ms}
        record |= {"model_digest": digest, "scored_at": now, "bytes": len(data) if isinstance(data, bytes) else None}
        if isinstance(result, Prediction):
            top_k = [{"label": label, "score": score} for label, score in result.top_k]
            record |= {"label": result.label, "label_id": result.label_id, "score": result.score, "top_k": top_k}
            record |= {"damaged": result.damaged, "has_more_frames": result.has_more_frames}
            record |= {} if result.features is None else {"features": result.features}
        else:
            record |= {"reason": result.reason, "where": row.where}
        records.append(record)
    return pa.RecordBatch.from_pylist(records, schema=schema)
