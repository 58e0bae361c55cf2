"""What a run tells of itself while it goes on: the one who starts it overrides the methods that it wants to hear."""

from collections.abc import Sequence
from typing import Any

from sparkcv.diagnosis.slowness import Straggler
from sparkcv.roles import Role

__all__ = ["RunObserver"]


class RunObserver:
    """Does nothing by itself. All methods are called in the thread of ``supervise``; what they raise ends the run."""

    def on_status(self, role: Role, status: dict[str, Any]) -> None:
        """Take what a role's program reported."""

    def on_restart(self, sentence: str) -> None:
        """Take the first line of the report of a failure that is answered with a restart."""

    def on_slow(self, stragglers: Sequence[Straggler]) -> None:
        """Take all roles that are slow, whenever that changes."""

    def on_look(self) -> None:
        """Be called several times a second, whether anybody reports or not."""
