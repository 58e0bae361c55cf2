"""How a program that is asked one line of JSON answers: lines of JSON, the last of which says that it is the last."""

import json
import sys
from collections.abc import Callable, Iterable
from typing import Any

from sparkcv import logs
from sparkcv.errors import SparkcvError

__all__ = ["answer"]


def answer(answers: Callable[[str], Iterable[dict[str, Any]]], name: str) -> int:
    """Answer the question on standard input by what ``answers`` gives; return the exit code.

    ``name`` is what its log lines say. An error of ours becomes the last line: ``error``, its sentence, and ``kind``,
    the name of its class.
    """
    logs.setup(name)
    question = sys.stdin.readline()
    try:
        for each in answers(question):
            _say(each)
    except SparkcvError as err:
        _say({"error": str(err), "kind": type(err).__name__})
        return 0
    _say({"end": True})
    return 0


def _say(value: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()
