"""Values of a JSON file that nobody vouches for: taken only where they are of the kind that is wanted."""

from typing import Any

__all__ = ["number", "text"]

_MAX_CHARS = 200


def text(value: Any) -> str:
    """Return a short printable string as it is; raise ValueError for anything else."""
    if not isinstance(value, str) or len(value) > _MAX_CHARS or not value.isprintable():
        raise ValueError
    return value


def number(value: Any, kind: Any) -> Any:
    """Return a number of exactly that type, from 0 to 2**53, as it is; raise ValueError for anything else."""
    if type(value) is not kind or not 0 <= value < 2**53:  # a bool is an int to isinstance
        raise ValueError
    return value
