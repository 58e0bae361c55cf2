"""Look at pictures by a trained classifier: a process of its own, for the driver imports no TensorFlow.

``python -m sparkcv.programs.judge_pictures`` reads a line of JSON, a
:class:`~sparkcv.text2image.judge_task.JudgeTask`, writes ``probabilities`` and ``features`` into its ``.npz``, and says
``{"seen": N}``, or what :mod:`.answering` says of an error.
"""

import tempfile

import numpy as np

from sparkcv.imports import exit_now
from sparkcv.programs.answering import answer
from sparkcv.rundir import checkpoint
from sparkcv.text2image.judge_task import JudgeTask

__all__ = ["main", "see"]


def main() -> int:
    """Answer the question on standard input; return the exit code, which an error in the answer does not change."""
    return answer(lambda line: [{"seen": see(JudgeTask.from_json(line))}], "judge")


def see(task: JudgeTask) -> int:
    """Write what the classifier sees in a task's pictures; return their number.

    Raises CheckpointError, ImageError and StorageError.
    """
    from sparkcv.text2image.judge import look
    from sparkcv.train import imported

    with tempfile.TemporaryDirectory(prefix="sparkcv-judge-") as scratch:
        prefix = imported.fetch(checkpoint.locate(task.checkpoint), scratch, task.model_name)
        probabilities, features = look(
            prefix,
            task.model_name,
            task.num_classes,
            task.pictures,
            family=task.preprocessing_name,
            size=task.image_size,
        )
    np.savez(task.output, probabilities=probabilities, features=features)
    return len(probabilities)


if __name__ == "__main__":
    exit_now(main())
