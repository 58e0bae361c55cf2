"""A program with TensorFlow that is asked one line and answers lines, in a process of its own."""

import json
import os
import subprocess
from collections.abc import Mapping
from typing import Any

from sparkcv import logs
from sparkcv.errors import ClusterError, SparkcvError, by_name
from sparkcv.launchers.python_module import start_module

__all__ = ["ask"]


def ask(
    program: str, question: str, what: str, *, limit_s: float | None = None, env: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return the last line of JSON that ``program`` answers; ``env`` is added to its environment.

    Raises what it says that it met, and ClusterError where it died; ``what`` says what it does. Raises
    subprocess.TimeoutExpired after ``limit_s`` seconds; None: never.
    """
    pipe = subprocess.PIPE
    env = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **(env or {})}
    with start_module(program, [], env, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            said, complaint = process.communicate(question + "\n", limit_s)
        finally:
            process.kill()
    lines = [line for line in said.splitlines() if line.strip()]
    if process.returncode != 0 or not lines:
        last = logs.clean((complaint.strip().splitlines() or ["it said nothing"])[-1])[:300]
        raise ClusterError(f"the process that {what} ended with {process.returncode}: {last}")
    answer: dict[str, Any] = json.loads(lines[-1])
    if "error" in answer:
        raise (by_name(answer["kind"]) or SparkcvError)(answer["error"])
    return answer
