"""Stylize a single picture: a process of its own, for the driver imports no TensorFlow.

``python -m sparkcv.programs.stylize`` reads one JSON object, what :mod:`sparkcv.driver.stylize` asks, and writes one:
a row of :data:`sparkcv.style.stylizing.RESULTS`, or what :mod:`.answering` says of an error.
"""

import json
from typing import Any

from sparkcv.imports import exit_now
from sparkcv.predict.rows import InputRow
from sparkcv.preprocess.picture_file import PictureRules
from sparkcv.programs.answering import answer
from sparkcv.style.stylizing import StylizeTask, stylize_row

__all__ = ["main", "stylized"]


def main() -> int:
    """Answer the question on standard input; return the exit code, which an error in the answer does not change."""
    return answer(lambda line: [stylized(json.loads(line))], "stylize")


def stylized(asked: dict[str, Any]) -> dict[str, Any]:
    """Return the row of a picture that is stylized; raises CheckpointError and StorageError."""
    task, name = asked["task"], asked["name"]
    rules = PictureRules.from_json(task["rules"])
    row = InputRow(name, url=asked["url"], filename=name)
    return stylize_row(StylizeTask(**{**task, "rules": rules}), row)


if __name__ == "__main__":
    exit_now(main())
