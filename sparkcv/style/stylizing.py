"""Pictures through a transformer net, one by one: what a Spark task does, and the process of a single picture.

A process keeps the net that it has loaded, by digest: Spark gives it one task after the other.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import os
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sparkcv import storage
from sparkcv.errors import ImageError, ModelError
from sparkcv.predict import rows, tasks
from sparkcv.predict.rows import InputRow
from sparkcv.predict.task_progress import TaskProgress
from sparkcv.preprocess.picture_file import PictureRules
from sparkcv.style import picture_pixels, transformer_weights
from sparkcv.style.transformer_spec import LEAST_SIDE

__all__ = [
    "MadePicture",
    "RESULTS",
    "StylizeTask",
    "each_of_piece",
    "names_of_piece",
    "stylize_piece",
    "stylize_row",
    "stylized",
]

RESULTS = pa.schema(
    [
        pa.field("id", pa.string(), False),
        pa.field("output", pa.string()),
        pa.field("width", pa.int32()),
        pa.field("height", pa.int32()),
        pa.field("is_earlier", pa.bool_()),
        pa.field("reason", pa.string()),
    ]
)
"""What is said of a picture: the name of what was written below the output folder, or the reason why nothing was."""

NAMES = pa.schema([pa.field("output", pa.string())])

_loaded: dict[tuple[str, int, int], Any] = {}


@dataclasses.dataclass(frozen=True)
class StylizeTask:
    """What every task of a run gets to know.

    Attributes:
        weights_url: ``transformer.npz``, the run's own.
        digest: of these weights; no others may be used.
        output_url: the folder of the pictures made.
        rules: how files of pictures are read, and what is rejected undecoded.
        format: what is written; None: each picture's own.
        quality: of JPEG and WebP.
        strip_pixels: pixels that are computed at once.
        num_threads: threads of one TensorFlow operation; 0: one a core.
        pieces_url: the frozen input; "" for a single picture.
        progress_url: folder in which tasks say how far they are.
        keeps: what is there already was made by an earlier attempt, and stays.
    """

    weights_url: str
    digest: str
    output_url: str
    rules: PictureRules
    format: str | None
    quality: int
    strip_pixels: int
    num_threads: int
    pieces_url: str = ""
    progress_url: str = ""
    keeps: bool = True


def stylize_piece(task: StylizeTask, index: int) -> Iterator[pa.RecordBatch]:
    """Stylize the pictures of one piece: an Arrow batch of :data:`RESULTS` a picture."""
    yield from each_of_piece(task.pieces_url, task.progress_url, index, functools.partial(stylize_row, task))


def each_of_piece(
    pieces_url: str, progress_url: str, index: int, work: Callable[[InputRow], dict[str, Any]]
) -> Iterator[pa.RecordBatch]:
    """Do ``work``, which gives a row of :data:`RESULTS`, with each picture of a piece: an Arrow batch a picture."""
    progress = TaskProgress(progress_url, index)
    for row in tasks.read_rows(pieces_url, index):
        yield pa.RecordBatch.from_pylist([work(row)], schema=RESULTS)
        progress.add_batch()
    progress.close()


def names_of_piece(pieces_url: str, file_format: str | None, index: int) -> Iterator[pa.RecordBatch]:
    """List what the pictures of a piece will be called, an Arrow batch of :data:`NAMES` a part."""
    for part in tasks.read_piece(pieces_url, index):
        names = [picture_pixels.output_name(name, file_format)[0] for name in rows.read_ids(part)]
        yield pa.RecordBatch.from_pydict({"output": names}, schema=NAMES)


@dataclasses.dataclass(frozen=True)
class MadePicture:
    """A stylized picture: the bytes of its file, and its sides in pixels."""

    encoded: bytes
    width: int
    height: int


def stylized(
    data: bytes, net: Callable[[NDArray[np.uint8]], Any], rules: PictureRules, file_format: str, quality: int
) -> MadePicture:
    """Return the picture of a file's bytes as ``net`` makes it, of the same size.

    ``net`` gives float32 of 0 to 255 for uint8 ``[height, width, 3]``. Raises ImageError for what is no picture, too
    large or too small, or cannot be written in ``file_format``.
    """
    pixels = picture_pixels.read(data, rules, LEAST_SIDE)
    height, width = pixels.shape[:2]
    picture_pixels.check_sides(height, width, file_format)
    made = np.clip(net(pixels), 0.0, 255.0).astype(np.uint8)
    height, width = made.shape[:2]
    return MadePicture(picture_pixels.encode(made, file_format, quality), width, height)


def stylize_row(task: StylizeTask, row: InputRow) -> dict[str, Any]:
    """Stylize one picture and write it, and return its row of :data:`RESULTS`.

    A picture that is there already was written whole by an earlier attempt or run, of the same net and settings.
    Raises ModelError for other weights than the task's, StorageError where the store does not answer.
    """
    name, file_format = picture_pixels.output_name(row.id, task.format)
    url = storage.join(task.output_url, name)
    if task.keeps and storage.exists(url):
        return {"id": row.id, "output": name, "is_earlier": True}
    data = rows.load(row)
    if isinstance(data, str):
        return {"id": row.id, "reason": data}
    try:
        made = stylized(data, lambda pixels: _net(task).stylize(pixels), task.rules, file_format, task.quality)
    except ImageError as err:
        return {"id": row.id, "reason": str(err)}
    storage.write_bytes(url, made.encoded)
    return {"id": row.id, "output": name, "width": made.width, "height": made.height, "is_earlier": False}


def _net(task: StylizeTask) -> Any:
    key = (task.digest, task.num_threads, task.strip_pixels)
    if key not in _loaded:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # oneDNN's and CUDA's news, once a worker
        while _loaded:  # a worker that served another run gives its memory back first
            _loaded.popitem()[1].close()
        weights = transformer_weights.load(task.weights_url)
        if weights.digest != task.digest:
            raise ModelError(f"{task.weights_url!r} has digest {weights.digest}, wanted {task.digest}")
        strips = importlib.import_module("sparkcv.style.strips")  # TensorFlow: seconds, only in who stylizes
        _loaded[key] = strips.StripNet(weights, task.num_threads, strip_pixels=task.strip_pixels)
    return _loaded[key]
