"""What is found of a role that takes no steps, or takes them far slower than the others."""

import dataclasses

from sparkcv.roles import Role

__all__ = ["STOPPED_STATES", "Silence", "Straggler"]

STOPPED_STATES = ("stopped", "tracing-stop")  # psutil's words for SIGSTOP and for a debugger


@dataclasses.dataclass(frozen=True)
class Straggler:
    """A role that takes steps much slower than the others of its job: its rate, and the median of theirs."""

    role: Role
    steps_per_s: float
    others_per_s: float

    def __str__(self) -> str:
        return (
            f"{self.role} is slow: {self.steps_per_s:.3g} steps/s, where the others take {self.others_per_s:.3g}"
            " (median)"
        )


@dataclasses.dataclass(frozen=True)
class Silence:
    """For how long a role took no step, or stood stopped; and how long its steps take (None before the second)."""

    seconds: float
    median_step_s: float | None
    is_stopped: bool = False

    def __str__(self) -> str:
        if self.is_stopped:
            return f"its process has been stopped for {self.seconds:.0f} s"
        if self.median_step_s is None:
            return f"it took no step for {self.seconds:.0f} s after it started, or after its first"
        return f"it took no step for {self.seconds:.0f} s (its median step takes {self.median_step_s:.2g} s)"
