"""Caption pictures: a process of its own, for the driver imports no TensorFlow.

``python -m sparkcv.programs.caption`` reads a line of JSON, a :class:`~sparkcv.caption.caption_task.CaptionTask`, and
writes one for each picture, in order: ``name``, ``captions`` and ``reason``. Before them stands ``restored``, the table
of what was taken from the checkpoint; in place of all ``error``, a sentence, and ``kind``, the name of its class.
"""

import json
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

from sparkcv import logs, storage
from sparkcv.caption.caption_task import CaptionTask
from sparkcv.caption.vocabulary import Vocabulary
from sparkcv.config.pictures import parse_formats
from sparkcv.errors import ImageError, SparkcvError, StorageError
from sparkcv.preprocess import picture_file
from sparkcv.preprocess.picture_file import PictureRules
from sparkcv.rundir import checkpoint

__all__ = ["answers", "main"]


def main() -> int:
    """Answer the question on standard input; return the exit code, which an error in the answer does not change."""
    logs.setup("caption")
    task = CaptionTask.from_json(sys.stdin.readline())
    try:
        for answer in answers(task):
            sys.stdout.write(json.dumps(answer) + "\n")
            sys.stdout.flush()
    except SparkcvError as err:
        sys.stdout.write(json.dumps({"error": str(err), "kind": type(err).__name__}) + "\n")
        sys.stdout.flush()
    return 0


def answers(task: CaptionTask) -> Iterator[dict[str, Any]]:
    """Yield the lines of the answer; raises CheckpointError and StorageError."""
    from sparkcv.caption.beam_search import BeamRules
    from sparkcv.caption.captioner import Captioner

    vocabulary = Vocabulary(task.words)
    beams = BeamRules(vocabulary.start_id, vocabulary.end_id, task.beam_size, task.max_words, task.length_normalization)
    with tempfile.TemporaryDirectory(prefix="sparkcv-caption-") as scratch:
        captioner = Captioner(
            checkpoint.fetch(checkpoint.locate(task.checkpoint), scratch),
            task.checkpoint,
            model_name=task.model_name,
            num_words=len(vocabulary),
            image_size=task.image_size,
            preprocessing_name=task.preprocessing_name,
        )
    try:
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
    finally:
        captioner.close()


def _prepared(captioner: Any, url: str, task: CaptionTask) -> Any:
    """Return a picture as the net takes it, or why it cannot be read."""
    try:
        rules = PictureRules(task.max_pixels, parse_formats(task.formats))
        return captioner.prepare(picture_file.read(storage.read_bytes(url), rules))
    except (ImageError, StorageError) as err:
        return str(err)


if __name__ == "__main__":
    sys.exit(main())
