"""Make one picture by optimization: a process of its own, for the driver imports no TensorFlow.

``python -m sparkcv.programs.style_transfer`` reads a line of JSON, a :class:`~sparkcv.style.task.TransferTask`, and
writes one: a :class:`~sparkcv.style.transfer.TransferResult`, or ``error``, a sentence, and ``kind``, the name of its
class.
It ends where its standard input does: whoever has asked is gone.
"""

import dataclasses
import json
import os
import sys
import threading
from typing import Any

from sparkcv import container, logs
from sparkcv.errors import EXIT_FAILED, MemoryExceededError, SparkcvError
from sparkcv.imports import exit_now
from sparkcv.style.task import TransferTask

__all__ = ["main"]


def main() -> int:
    """Answer the question on standard input; return the exit code, which an error in the answer does not change."""
    logs.setup("style")
    task = TransferTask.from_json(sys.stdin.readline())
    threading.Thread(target=_end_with_input, daemon=True).start()
    answer: dict[str, Any]
    try:
        from sparkcv.light_tensorflow import tf
        from sparkcv.style.transfer import transfer

        tf.config.threading.set_intra_op_parallelism_threads(task.num_threads or container.cores())
        if task.num_threads:
            tf.config.threading.set_inter_op_parallelism_threads(1)
        try:
            answer = dataclasses.asdict(transfer(task))
        except (MemoryError, tf.errors.ResourceExhaustedError) as err:
            raise MemoryExceededError(
                f"the memory did not suffice, wanted a smaller --memory_mb or --width: {err}"
            ) from err
    except SparkcvError as err:
        answer = {"error": str(err), "kind": type(err).__name__}
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
    return 0


def _end_with_input() -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass
    os._exit(EXIT_FAILED)


if __name__ == "__main__":
    exit_now(main())
