"""Look at pictures by a trained classifier: a process of its own, for the driver imports no TensorFlow.

``python -m sparkcv.programs.judge_pictures`` reads a line of JSON, a
:class:`~sparkcv.text2image.judge_task.JudgeTask`, writes ``probabilities`` and ``features`` into its ``.npz``, and says
``{"seen": N}``; or ``error``, a sentence, and ``kind``, the name of its class.
"""

import json
import sys
import tempfile
from typing import Any

import numpy as np

from sparkcv import logs
from sparkcv.errors import SparkcvError
from sparkcv.rundir import checkpoint
from sparkcv.text2image.judge_task import JudgeTask

__all__ = ["main"]


def main() -> int:
    """Answer the question on standard input; return the exit code, which an error in the answer does not change."""
    logs.setup("judge")
    task = JudgeTask.from_json(sys.stdin.readline())
    answer: dict[str, Any]
    try:
        from sparkcv.text2image.judge import look

        with tempfile.TemporaryDirectory(prefix="sparkcv-judge-") as scratch:
            prefix = checkpoint.fetch(checkpoint.locate(task.checkpoint), scratch)
            probabilities, features = look(
                prefix,
                task.model_name,
                task.num_classes,
                task.pictures,
                family=task.preprocessing_name,
                size=task.image_size,
            )
        np.savez(task.output, probabilities=probabilities, features=features)
        answer = {"seen": len(probabilities)}
    except SparkcvError as err:
        answer = {"error": str(err), "kind": type(err).__name__}
    sys.stdout.write(json.dumps(answer) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
