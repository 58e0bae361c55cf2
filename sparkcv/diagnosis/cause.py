"""What a report says beside the facts: the probable cause, and what to change."""

import dataclasses

__all__ = ["Cause"]


@dataclasses.dataclass(frozen=True)
class Cause:
    """A probable cause, and the setting or action that removes it."""

    why: str
    change: str
