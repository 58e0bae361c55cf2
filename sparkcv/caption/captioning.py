"""Captions of the pictures of one Spark task: what it is told, what it gives back, and the net that it keeps loaded.

A process keeps its net: Spark gives it one task after the other.
"""

from __future__ import annotations

import dataclasses
import importlib
import os
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from sparkcv.caption.caption_task import CaptionNet, CaptionSearch
from sparkcv.errors import ImageError
from sparkcv.predict import tasks
from sparkcv.predict.batches import loaded_batches
from sparkcv.predict.rows import InputRow
from sparkcv.predict.task_progress import TaskProgress
from sparkcv.preprocess import picture_file
from sparkcv.preprocess.picture_file import PictureRules, SeenPicture

__all__ = ["CAPTIONED", "CaptionPieceTask", "caption_piece", "seen_of"]

CAPTIONED = pa.schema(
    [
        pa.field("id", pa.string(), False),
        pa.field("captions", pa.list_(pa.struct([("text", pa.string()), ("p", pa.float64())]))),
        pa.field("reason", pa.string()),
        pa.field("where", pa.string()),
    ]
)
"""What is said of a picture: its captions, best first, with their probabilities, or the reason why there are none."""

_loaded: dict[tuple[CaptionNet, int], tuple[Any, Any]] = {}


@dataclasses.dataclass(frozen=True)
class CaptionPieceTask:
    """What every task of a run gets to know.

    Attributes:
        net: the run's own copy of it.
        search: how captions are searched.
        rules: how files of pictures are read, and what is rejected undecoded.
        batch_size: pictures that are searched together.
        num_threads: threads of one TensorFlow operation.
        pieces_url: the frozen input.
        progress_url: folder in which tasks say how far they are.
        only_url: folder of the ids to caption, by piece; None: all of a piece.
    """

    net: CaptionNet
    search: CaptionSearch
    rules: PictureRules
    batch_size: int
    num_threads: int
    pieces_url: str
    progress_url: str
    only_url: str | None = None


def caption_piece(task: CaptionPieceTask, index: int) -> Iterator[pa.RecordBatch]:
    """Caption the pictures of one piece: Arrow batches of :data:`CAPTIONED`.

    Raises CheckpointError for a net that does not fit, and StorageError where a store does not answer.
    """
    progress = TaskProgress(task.progress_url, index)
    found = tasks.read_rows(task.pieces_url, index, only_url=task.only_url)
    for of_batch, loaded in loaded_batches(found, task.batch_size):
        told = _told(task, of_batch, [data for data, _ in loaded])
        yield pa.RecordBatch.from_pylist(told, schema=CAPTIONED)
        progress.add_batch()
    progress.close()


def _told(task: CaptionPieceTask, of_batch: list[InputRow], loaded: list[bytes | str]) -> list[dict[str, Any]]:
    captioner, words, beams = _captioner(task)
    told: list[dict[str, Any]] = []
    images: dict[int, Any] = {}
    for number, (row, data) in enumerate(zip(of_batch, loaded, strict=True)):
        told.append({"id": row.id})
        try:
            images[number] = captioner.prepare(seen_of(row, data, task.rules))
        except ImageError as err:
            told[-1] |= {"reason": str(err), "where": row.where}
    answers = captioner.captions(list(images.values()), beams) if images else []
    for number, found in zip(images, answers, strict=True):
        told[number]["captions"] = [{"text": words.decode(each.ids), "p": each.probability} for each in found]
    return told


def seen_of(row: InputRow, data: bytes | str, rules: PictureRules) -> SeenPicture:
    """Return a row's picture, a record's as training decodes it; raises ImageError for what is none."""
    if isinstance(data, str):
        raise ImageError(data)
    if row.is_record and row.orientation is not None:
        return picture_file.read_turned(data, rules, row.orientation)
    return picture_file.read(data, rules)


def _captioner(task: CaptionPieceTask) -> tuple[Any, Any, Any]:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # oneDNN's and CUDA's news, once a worker
    module = importlib.import_module("sparkcv.caption.captioner")  # TensorFlow: seconds, only in who captions
    key = (task.net, task.num_threads)
    if key not in _loaded:
        while _loaded:  # a worker that served another run gives its memory back first
            _loaded.popitem()[1][0].close()
        _loaded[key] = module.open_captioner(task.net, task.num_threads)
    captioner, words = _loaded[key]
    return captioner, words, module.rules_of(task.search, words)
