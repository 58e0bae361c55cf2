"""Prepare pictures for a model in a process that may die of one: pictures from standard input, pixels to output.

The order is the one word of the command, as :class:`sparkcv.predict.limited.PreparerOrder` writes it.
"""

import os
import sys
from typing import Any

import numpy as np

from sparkcv.launchers import pipe_messages
from sparkcv.predict.engines.choice import EngineChoice
from sparkcv.predict.engines.loading import LocalModel, load_decoder
from sparkcv.predict.limited import Preparer, PreparerOrder, cpu_limit
from sparkcv.predict.manifest import read_manifest
from sparkcv.predict.preparing import PicturePreparer, RecordPicture, Reject
from sparkcv.synthetic import draw, encode

__all__ = ["main", "serve"]


def main() -> None:
    """Load the model's preprocessing, say so, and prepare until the input ends."""
    order = PreparerOrder.from_json(sys.argv[1])
    model = LocalModel(read_manifest(order.folder), order.folder)
    preparer = PicturePreparer(load_decoder(model, EngineChoice(order.engine, ""), 1), order.rules)
    serve(preparer, order.limit_s)


def serve(preparer: Preparer, limit_s: float) -> None:
    """Answer each message on standard input by one on standard output; nothing else is written there."""
    source, target = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no message
    preparer.prepare([encode(draw(0, seed=0, size=8), "png")])  # what the first picture alone has to pay
    target.write(pipe_messages.pack({"ready": True}))
    target.flush()
    while (message := pipe_messages.read(source)) is not None:
        with cpu_limit(limit_s):
            answer = _answer(preparer, message)
        target.write(pipe_messages.pack(answer))
        target.flush()


def _answer(preparer: Preparer, message: dict[str, Any]) -> dict[str, Any]:
    data = message["data"]
    (one,) = preparer.prepare([RecordPicture(data, message["orientation"]) if message["is_record"] else data])
    if isinstance(one, Reject):
        return {"reason": one.reason}
    pixels = np.ascontiguousarray(one.pixels, "<f4")
    return {
        "pixels": pixels.tobytes(),
        "shape": list(pixels.shape),
        "damaged": one.damaged,
        "has_more_frames": one.has_more_frames,
    }


if __name__ == "__main__":
    main()
