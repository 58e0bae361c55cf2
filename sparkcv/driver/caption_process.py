"""A process that has TensorFlow and captions pictures: asked one line of JSON, it answers a line for each picture."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from typing import Any

from sparkcv import logs
from sparkcv.errors import ClusterError, SparkcvError, by_name
from sparkcv.launchers.python_module import start_module

__all__ = ["ask"]

_log = logs.get(__name__)


def ask(program: str, question: str, checkpoint: str) -> Iterator[dict[str, Any]]:
    """Yield what a program answers, behind the table of what it restored, which is logged.

    Raises:
        SparkcvError: as the program says.
        ClusterError: the process ended without the last line, ``{"end": true}``.
    """
    env = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    pipe = subprocess.PIPE
    with (
        tempfile.TemporaryFile("w+", errors="replace") as complaints,
        start_module(program, [], env, stdin=pipe, stdout=pipe, stderr=complaints, text=True) as process,
    ):
        try:
            asked: Any = process.stdin
            asked.write(question + "\n")
            asked.close()
        except BrokenPipeError:
            pass  # it died at its start: what it said is told below
        try:
            is_whole = yield from _answers(process.stdout, checkpoint)
        finally:
            process.kill()
        if not is_whole:
            complaints.seek(0)
            last = (complaints.read().strip().splitlines() or ["it said nothing"])[-1]
            raise ClusterError(
                f"the process that captions pictures ended with {process.wait()}: {logs.clean(last)[:300]}"
            )


def _answers(lines: Any, checkpoint: str) -> Any:
    """Yield answers; return whether the last one came."""
    for line in lines:
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise (by_name(answer["kind"]) or SparkcvError)(answer["error"])
        if "restored" in answer:
            for row in (f"restored from {checkpoint}:", *answer["restored"]):
                _log.info("%s", logs.clean(row))
        elif "end" in answer:
            return True
        else:
            yield answer
    return False
