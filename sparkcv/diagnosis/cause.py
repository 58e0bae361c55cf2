"""What a report says beside the facts: why it probably came so, and what mends it."""

import dataclasses

__all__ = ["Cause"]


@dataclasses.dataclass(frozen=True)
class Cause:
    """A probable cause, and the setting or deed that mends it."""

    why: str
    change: str
