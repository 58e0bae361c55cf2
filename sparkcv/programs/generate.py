"""Make pictures from texts: a process of its own, for the driver imports no TensorFlow.

``python -m sparkcv.programs.generate`` reads a line of JSON, a :class:`~sparkcv.text2image.picture_task.PictureTask`,
writes the PNGs and says ``{"made": N}``; or ``error``, a sentence, and ``kind``, the name of its class.
"""

import json
import os
import sys
import tempfile
from typing import Any

from PIL import Image

from sparkcv import logs
from sparkcv.errors import SparkcvError
from sparkcv.rundir import checkpoint
from sparkcv.text2image.picture_task import PictureTask

__all__ = ["main", "make"]


def main() -> int:
    """Answer the question on standard input; return the exit code, which an error in the answer does not change."""
    logs.setup("generate")
    task = PictureTask.from_json(sys.stdin.readline())
    answer: dict[str, Any]
    try:
        answer = {"made": make(task)}
    except SparkcvError as err:
        answer = {"error": str(err), "kind": type(err).__name__}
    sys.stdout.write(json.dumps(answer) + "\n")
    return 0


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
    sys.exit(main())
