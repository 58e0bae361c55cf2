"""What was wrong, out of TensorFlow's message of an operation that failed in a session."""

from __future__ import annotations

__all__ = ["gist"]

_ABOUT = (
    "Graph execution error",
    "Detected at",
    'File "',
    "Node: ",
    "[[",
    "<stack",
    "Restoring from checkpoint failed",
)


def gist(message: str) -> str:
    """Return the line that says what was wrong, not where in a graph, 300 characters at most."""
    lines = [line.strip() for line in message.partition("Original stack trace")[0].splitlines()]
    telling = [line for line in lines if line and not line.startswith(_ABOUT)]
    return telling[0][:300] if telling else "no reason given"
