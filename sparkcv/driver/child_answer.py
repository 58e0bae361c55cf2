"""A program with TensorFlow that is asked one line of JSON and answers lines, in a process of its own.

:mod:`sparkcv.programs.answering` is the other end.
"""

import json
import os
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping
from typing import Any

from sparkcv import logs
from sparkcv.errors import ClusterError, SparkcvError, by_name
from sparkcv.launchers.python_module import start_module

__all__ = ["ask", "ask_all"]


def ask(
    program: str, question: str, what: str, *, limit_s: float | None = None, env: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return the one line that a program answers; see :func:`ask_all`."""
    (answer,) = ask_all(program, question, what, limit_s=limit_s, env=env)
    return answer


def ask_all(
    program: str, question: str, what: str, *, limit_s: float | None = None, env: Mapping[str, str] | None = None
) -> Iterator[dict[str, Any]]:
    """Yield the lines that ``program`` answers, as they come; ``env`` is added to its environment.

    Raises what it says that it met, and ClusterError where it ended without its last line, ``{"end": true}``; ``what``
    says what it does. Raises subprocess.TimeoutExpired after ``limit_s`` seconds; None: never.
    """
    env = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **(env or {})}
    pipe = subprocess.PIPE
    with (
        tempfile.TemporaryFile("w+", errors="replace") as complaints,
        start_module(program, [], env, stdin=pipe, stdout=pipe, stderr=complaints, text=True) as process,
    ):
        is_late = threading.Event()

        def end() -> None:
            is_late.set()
            process.kill()

        timer = threading.Timer(limit_s or 0, end)
        if limit_s is not None:
            timer.start()
        try:
            asked: Any = process.stdin
            asked.write(question + "\n")
            asked.close()
        except BrokenPipeError:
            pass  # it died at its start: what it said is told below
        try:
            is_whole = yield from _answers(process.stdout)
        finally:
            timer.cancel()
            process.kill()
        if is_late.is_set() and not is_whole:
            raise subprocess.TimeoutExpired(program, limit_s or 0)
        if not is_whole:
            complaints.seek(0)
            last = (complaints.read().strip().splitlines() or ["it said nothing"])[-1]
            raise ClusterError(f"the process that {what} ended with {process.wait()}: {logs.clean(last)[:300]}")


def _answers(lines: Any) -> Any:
    """Yield answers; return whether the last one came."""
    for line in lines:
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise (by_name(answer["kind"]) or SparkcvError)(answer["error"])
        if "end" in answer:
            return True
        yield answer
    return False
