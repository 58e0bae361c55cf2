"""Make pictures from texts: a process of its own, for the driver imports no TensorFlow.

``python -m sparkcv.programs.generate`` reads a line of JSON, a :class:`~sparkcv.text2image.picture_task.PictureTask`,
writes the PNGs and says ``{"made": N}``, or what :mod:`.answering` says of an error.
"""

import os
import tempfile

from PIL import Image

from sparkcv.imports import exit_now
from sparkcv.programs.answering import answer
from sparkcv.rundir import checkpoint
from sparkcv.text2image.picture_task import PictureTask

__all__ = ["main", "make"]


def main() -> int:
    """Answer the question on standard input; return the exit code, which an error in the answer does not change."""
    return answer(lambda line: [{"made": make(PictureTask.from_json(line))}], "generate")


def make(task: PictureTask) -> int:
    """Write the PNGs of a task into its folder; return their number. Raises CheckpointError and StorageError."""
    from sparkcv.text2image.picture_maker import PictureMaker

    with tempfile.TemporaryDirectory(prefix="sparkcv-generate-") as scratch:
        prefix = checkpoint.fetch(checkpoint.locate(task.checkpoint), scratch)
        maker = PictureMaker(prefix, task.checkpoint, task.spec)
    try:
        for number, pixels in enumerate(maker.make(task.rows, task.seed)):
            Image.fromarray(pixels).save(os.path.join(task.folder, f"{number:05d}.png"))
    finally:
        maker.close()
    return len(task.rows)


if __name__ == "__main__":
    exit_now(main())
