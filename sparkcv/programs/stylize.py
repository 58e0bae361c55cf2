"""Stylize a single picture: a process of its own, for the driver imports no TensorFlow.

``python -m sparkcv.programs.stylize`` reads one JSON object, what :mod:`sparkcv.driver.stylize` asks, and writes one:
a row of :data:`sparkcv.style.stylizing.RESULTS`, or ``error``, a sentence, with the name of its class as ``kind``.
"""

import json
import sys
from typing import Any

from sparkcv.errors import SparkcvError
from sparkcv.predict.rows import InputRow
from sparkcv.preprocess.picture_file import PictureRules
from sparkcv.style.stylizing import StylizeTask, stylize_row

__all__ = ["main"]


def main() -> int:
    """Answer the question on standard input; return the exit code, which an error in the answer does not change."""
    asked: dict[str, Any] = json.loads(sys.stdin.read())
    task = asked["task"]
    rules = PictureRules.from_json(task["rules"])
    try:
        row = InputRow(asked["name"], url=asked["url"], filename=asked["name"])
        answer = stylize_row(StylizeTask(**{**task, "rules": rules}), row)
    except SparkcvError as err:
        answer = {"error": str(err), "kind": type(err).__name__}
    sys.stdout.write(json.dumps(answer) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
