"""Keep the weights of a net of captions alone: a process of its own, for the driver imports no TensorFlow.

``python -m sparkcv.programs.export_captions`` reads a line of JSON, ``net``, the fields of a
:class:`~sparkcv.caption.caption_task.CaptionNet`, and ``prefix``, where its weights go; it answers ``step``.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from typing import Any

from sparkcv.caption.caption_task import CaptionNet
from sparkcv.imports import exit_now
from sparkcv.programs.answering import answer

__all__ = ["answers", "main"]


def main() -> int:
    """Answer the question on standard input; return the exit code, which an error in the answer does not change."""
    return answer(answers, "caption")


def answers(line: str) -> Iterator[dict[str, Any]]:
    """Yield the lines of the answer; raises CheckpointError and StorageError."""
    from sparkcv.caption.captioner import open_captioner

    value = json.loads(line)
    net = CaptionNet(**{**value["net"], "words": tuple(value["net"]["words"])})
    captioner, _ = open_captioner(net)
    with contextlib.closing(captioner):
        yield {"restored": captioner.restored}
        captioner.save(value["prefix"])
    step = re.search(r"-([0-9]+)$", net.checkpoint)
    yield {"step": int(step[1]) if step else None}


if __name__ == "__main__":
    exit_now(main())
