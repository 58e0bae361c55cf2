"""Rows to Arrow batches of answers: what a scoring task does, without Spark and without TensorFlow."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import pyarrow as pa

from sparkcv import logs
from sparkcv.errors import StorageError
from sparkcv.predict.predictor import Prediction, RecordPicture, Reject
from sparkcv.predict.rows import InputRow, load
from sparkcv.predict.schema import SCORED

Predict = Callable[[Sequence[bytes | RecordPicture], int], list[Prediction | Reject]]

_READERS = 4
_READ_TIMEOUT_S = 600.0


def score_rows(
    rows: Iterable[InputRow], predict: Predict, *, digest: str, batch_size: int, top_k: int
) -> Iterator[pa.RecordBatch]:
    """Score rows in batches of exactly ``batch_size``, the last one less; one Arrow batch of :data:`SCORED` each.

    While one batch is scored, a few threads read the next: two batches of encoded pictures are held, never more.
    A row that is rejected has a ``reason`` and neither label nor score.
    """
    chunks = _chunks(iter(rows), batch_size)
    pool = ThreadPoolExecutor(_READERS, "read")
    try:
        waiting: tuple[list[InputRow], list[Future[bytes | str]]] | None = None
        for chunk in itertools.chain(chunks, [None]):
            reading = None if chunk is None else (chunk, [pool.submit(load, row) for row in chunk])
            if waiting is not None:
                yield _score(*waiting, predict, digest, top_k)
            waiting = reading
    finally:
        pool.shutdown(cancel_futures=True)


def _chunks(rows: Iterator[InputRow], size: int) -> Iterator[list[InputRow]]:
    while chunk := list(itertools.islice(rows, size)):
        yield chunk


def _score(
    rows: list[InputRow], reads: list["Future[bytes | str]"], predict: Predict, digest: str, top_k: int
) -> pa.RecordBatch:
    loaded = [_result(read, row) for row, read in zip(rows, reads, strict=True)]
    pictures = [
        RecordPicture(data, row.orientation) if row.is_record else data
        for data, row in zip(loaded, rows, strict=True)
        if isinstance(data, bytes)
    ]
    answers = iter(predict(pictures, top_k))
    results = [Reject(data) if isinstance(data, str) else next(answers) for data in loaded]
    return _to_arrow(rows, results, digest)


def _result(read: "Future[bytes | str]", row: InputRow) -> bytes | str:
    try:
        return read.result(_READ_TIMEOUT_S)
    except TimeoutError as err:
        raise StorageError(f"reading {logs.clean(str(row.url))!r} took more than {_READ_TIMEOUT_S:.0f} s") from err


def _to_arrow(rows: list[InputRow], results: list[Prediction | Reject], digest: str) -> pa.RecordBatch:
    records = []
    for row, result in zip(rows, results, strict=True):
        record: dict[str, object] = {"id": row.id, "filename": row.filename, "model_digest": digest}
        if isinstance(result, Prediction):
            top_k = [{"label": label, "score": score} for label, score in result.top_k]
            record |= {"label": result.label, "score": result.score, "top_k": top_k}
        else:
            record |= {"reason": result.reason}
        records.append(record)
    return pa.RecordBatch.from_pylist(records, schema=SCORED)
