"""A process that has TensorFlow and captions pictures: asked one line of JSON, it answers a line for each picture."""

from collections.abc import Iterator
from typing import Any

from sparkcv import logs
from sparkcv.driver import child_answer

__all__ = ["ask"]

_log = logs.get(__name__)


def ask(program: str, question: str, checkpoint: str) -> Iterator[dict[str, Any]]:
    """Yield what a program answers, behind the table of what it restored, which is logged.

    Raises what :func:`.child_answer.ask_all` does.
    """
    for answer in child_answer.ask_all(program, question, "captions pictures"):
        if "restored" in answer:
            for row in (f"restored from {checkpoint}:", *answer["restored"]):
                _log.info("%s", logs.clean(row))
        else:
            yield answer
