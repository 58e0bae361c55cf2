"""Caption pictures: a process of its own, for the driver imports no TensorFlow.

``python -m sparkcv.programs.caption`` reads a line of JSON, a :class:`~sparkcv.caption.caption_task.CaptionTask`, and
writes one for each picture, in order: ``name``, ``captions`` and ``reason``. Before them stands ``restored``, the table
of what was taken from the checkpoint, behind them ``end``; in place of all ``error``, a sentence, and ``kind``, the
name of its class.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

from sparkcv import storage
from sparkcv.caption.caption_task import CaptionTask
from sparkcv.config.pictures import parse_formats
from sparkcv.errors import ImageError, StorageError
from sparkcv.imports import exit_now
from sparkcv.preprocess import picture_file
from sparkcv.preprocess.picture_file import PictureRules
from sparkcv.programs.answering import answer

__all__ = ["answers", "main"]


def main() -> int:
    """Answer the question on standard input; return the exit code, which an error in the answer does not change."""
    return answer(lambda line: answers(CaptionTask.from_json(line)), "caption")


def answers(task: CaptionTask) -> Iterator[dict[str, Any]]:
    """Yield the lines of the answer; raises CheckpointError and StorageError."""
    from sparkcv.caption.captioner import open_captioner, rules_of

    captioner, vocabulary = open_captioner(task.net)
    beams = rules_of(task.search, vocabulary)
    with contextlib.closing(captioner):
        yield {"restored": captioner.restored}
        for start in range(0, len(task.pictures), task.batch_size):
            batch = task.pictures[start : start + task.batch_size]
            prepared = {index: _prepared(captioner, url, task) for index, url in enumerate(batch)}
            whole = {index: image for index, image in prepared.items() if not isinstance(image, str)}
            found = dict(zip(whole, captioner.captions(list(whole.values()), beams) if whole else [], strict=True))
            for index, url in enumerate(batch):
                reason = prepared[index] if index not in whole else ""
                told = [(vocabulary.decode(each.ids), each.probability) for each in found.get(index, [])]
                yield {"name": storage.basename(url), "captions": told, "reason": reason}


def _prepared(captioner: Any, url: str, task: CaptionTask) -> Any:
    """Return a picture as the net takes it, or why it cannot be read."""
    try:
        rules = PictureRules(task.max_pixels, parse_formats(task.formats))
        return captioner.prepare(picture_file.read(storage.read_bytes(url), rules))
    except (ImageError, StorageError) as err:
        return str(err)


if __name__ == "__main__":
    exit_now(main())
