"""Style transfer by optimization of a folder's pictures, one after the other: what a Spark task does.

Each picture is made by a process of its own, which gives its memory back. It writes among the run's own files, and what
is whole is moved to its place: an output that is there is done.
"""

from __future__ import annotations

import dataclasses
import functools
import uuid
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from sparkcv import storage
from sparkcv.errors import ImageError, ModelError, UsageError
from sparkcv.predict import rows
from sparkcv.predict.rows import InputRow
from sparkcv.preprocess.picture_file import PictureRules
from sparkcv.style import picture_pixels, stylizing, transfer_process
from sparkcv.style.task import LEAST_SIDE, TransferTask

__all__ = ["FolderTask", "transfer_piece", "transfer_row"]


@dataclasses.dataclass(frozen=True)
class FolderTask:
    """What every task of a run gets to know.

    Attributes:
        transfer: what all pictures have in common.
        rules: how files of pictures are read, and what is rejected undecoded.
        output_url: the folder of the pictures made.
        format: what is written; None: each picture's own.
        pieces_url: the frozen input.
        progress_url: folder in which tasks say how far they are.
        made_url: folder for pictures that are not whole yet.
    """

    transfer: TransferTask
    rules: PictureRules
    output_url: str
    format: str | None
    pieces_url: str
    progress_url: str
    made_url: str


def transfer_piece(task: FolderTask, index: int) -> Iterator[pa.RecordBatch]:
    """Make the pictures of one piece: an Arrow batch of :data:`.stylizing.RESULTS` a picture."""
    work = functools.partial(transfer_row, task)
    yield from stylizing.each_of_piece(task.pieces_url, task.progress_url, index, work)


def transfer_row(task: FolderTask, row: InputRow) -> dict[str, Any]:
    """Make one picture, and return its row of :data:`.stylizing.RESULTS`.

    Rejected is what cannot be read, is too small, does not fit into the memory, or whose loss becomes no number.
    Raises StorageError where the store does not answer, ClusterError where the process died, and ModelError for a
    network that is none.
    """
    name, file_format = picture_pixels.output_name(row.id, task.format)
    url = storage.join(task.output_url, name)
    if storage.exists(url):
        return {"id": row.id, "output": name, "is_earlier": True}
    data = rows.load(row)
    if isinstance(data, str):
        return {"id": row.id, "reason": data}
    try:
        picture_pixels.read(data, task.rules, LEAST_SIDE)
        scratch = storage.join(task.made_url, uuid.uuid4().hex)
        made = storage.join(scratch, f"made.{picture_pixels.FORMATS[file_format][0]}")
        given = storage.join(scratch, "content")
        storage.write_bytes(given, data)
        metrics = storage.join(scratch, "metrics.jsonl")
        answer = transfer_process.ask(dataclasses.replace(task.transfer, content=given, output=made, metrics=metrics))
    except (ImageError, UsageError) as err:
        return {"id": row.id, "reason": str(err)}
    except ModelError as err:
        if "is no number" not in str(err):
            raise
        return {"id": row.id, "reason": f"no number: {err}"}
    storage.rename(made, url, overwrite=True)  # another attempt's is whole as well
    size = {"width": answer["width"], "height": answer["height"]}
    return {"id": row.id, "output": name, **size, "is_earlier": False}
