"""Hold a net of captions against the records of a split: a process of its own, for the driver imports no TensorFlow.

``python -m sparkcv.programs.evaluate_captions`` reads a line of JSON, an
:class:`~sparkcv.caption.caption_task.EvaluationTask`, and writes lines as :mod:`.answering` says: one for each record,
in order, with the fields of :class:`~sparkcv.caption.told_captions.ToldPicture`, its thumbnail in base64, or with
``reason`` where it cannot be read; ``num_records`` is of how many records that line stands for.
"""

from __future__ import annotations

import base64
import contextlib
import itertools
import os
import tempfile
from collections.abc import Iterator
from typing import Any

from sparkcv import storage
from sparkcv.caption.caption_task import EvaluationTask
from sparkcv.errors import ImageError, RecordError
from sparkcv.evaluate.thumbnail import thumbnail
from sparkcv.imports import exit_now
from sparkcv.preprocess import picture_file
from sparkcv.preprocess.picture_file import PictureRules
from sparkcv.programs.answering import answer
from sparkcv.records import captioned, compression, tfrecord
from sparkcv.records.captioned import CaptionedPicture
from sparkcv.records.tfrecord import BadRecord

__all__ = ["answers", "main", "prepared"]


def main() -> int:
    """Answer the question on standard input; return the exit code, which an error in the answer does not change."""
    return answer(lambda line: answers(EvaluationTask.from_json(line)), "caption")


def answers(task: EvaluationTask) -> Iterator[dict[str, Any]]:
    """Yield the lines of the answer; raises CheckpointError and StorageError."""
    from sparkcv.caption.captioner import open_captioner, rules_of

    captioner, vocabulary = open_captioner(task.net)
    beams = rules_of(task.search, vocabulary)
    with contextlib.closing(captioner):
        yield {"restored": captioner.restored}
        for batch in _batches(_records(task), task.batch_size):
            whole: list[tuple[int, CaptionedPicture, Any]] = []
            for number, record in batch:
                try:
                    whole.append((number, *prepared(captioner, record, task)))
                except (ImageError, RecordError) as err:
                    yield {"reason": str(err), "num_records": getattr(record, "num_records", 1)}
            if not whole:
                continue
            images = [image for *_, image in whole]
            logs = captioner.log_probability(images, [picture.ids for _, picture, _ in whole])
            found = captioner.captions(images, beams)
            for (number, picture, _), told, log in zip(whole, found, logs, strict=True):
                is_shown = number % task.sample_every == 0
                shown = {"max_pixels": task.max_pixels, "orientation": picture.orientation}
                small = thumbnail(picture.encoded, **shown) if is_shown else b""
                yield {
                    "name": picture.filename,
                    "image_id": picture.image_id,
                    "captions": [(vocabulary.decode(each.ids), each.probability) for each in told],
                    "references": [
                        _text(words, ids, vocabulary) for words, ids in zip(picture.words, picture.ids, strict=True)
                    ],
                    "log_probability": log,
                    "num_words": sum(len(ids) - 1 for ids in picture.ids),
                    "thumbnail": base64.b64encode(small).decode(),
                }


def _records(task: EvaluationTask) -> Iterator[tuple[int, Any]]:
    """Yield the records of all shards, numbered, the damaged ones in their places."""
    number = itertools.count()
    with tempfile.TemporaryDirectory(prefix="sparkcv-caption-") as scratch:
        for url, num_records in task.shards:
            path = os.path.join(scratch, "shard")
            storage.fetch(url, path)
            compression.expand(path, url)
            with open(path, "rb") as shard:
                data = shard.read()
            for item in tfrecord.read_all(data, num_records):
                yield next(number), item


def _batches(items: Iterator[Any], size: int) -> Iterator[list[Any]]:
    while batch := list(itertools.islice(items, size)):
        yield batch


def prepared(captioner: Any, record: Any, task: EvaluationTask) -> tuple[CaptionedPicture, Any]:
    """Return a record's picture with its captions, and as the net takes it; raises RecordError and ImageError."""
    if isinstance(record, BadRecord):
        raise RecordError(f"damaged at offset {record.offset}: {record.reason}")
    picture = captioned.decode(record.payload)
    for ids in picture.ids:
        if len(ids) < 2 or not all(0 <= each < len(task.net.words) for each in ids):
            raise RecordError(f"a caption has ids of {min(ids)} to {max(ids)}, wanted 0 to {len(task.net.words) - 1}")
    seen = picture_file.read_turned(picture.encoded, PictureRules(task.max_pixels), picture.orientation)
    return picture, captioner.prepare(seen)


def _text(words: tuple[str, ...], ids: tuple[int, ...], vocabulary: Any) -> str:
    """Return a caption as its words were, those outside of the vocabulary too; by its ids where there are none."""
    return " ".join(words[1:-1]) if any(words) else vocabulary.decode(ids)


if __name__ == "__main__":
    exit_now(main())
