"""What a failure is answered with: a restart in place, a new generation, or the end of the run.

A node process that died is started again by its agent, on the port that the agent holds. A lost agent takes its port
and its place along: then all roles are launched anew. Both have a budget, since a fault that stays must end the run.
"""

import collections
import dataclasses
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sparkcv import errors, logs
from sparkcv.cluster.observer import RunObserver
from sparkcv.cluster.state import RoleState
from sparkcv.errors import ClusterError, MemoryExceededError, RoleFailedError, SparkcvError
from sparkcv.roles import Role

__all__ = [
    "Backoff",
    "Budget",
    "GenerationLostError",
    "Recovery",
    "RestartPolicy",
    "is_final",
    "tell",
    "who_restarts",
]

WINDOW_S = 3600.0
_FIRST_PAUSE_S = 0.25
_LONGEST_PAUSE_S = 30.0
_MAX_OVERRUNS = 1
_log = logs.get(__name__)


@dataclasses.dataclass(frozen=True)
class RestartPolicy:
    """How much a run may fail and go on; without arguments the first failure ends it.

    Attributes:
        max_restarts: restarts in place within an hour.
        max_generations: launches of all roles, after the first, within an hour.
        together: one role's failure restarts all, for programs whose roles step together.
        stall_timeout_s: least time without a step that counts as a stall; 0 looks for none.
        first_step_s: the same for a role's first step, which has a graph to build and shards to fetch.
    """

    max_restarts: int = 0
    max_generations: int = 0
    together: bool = False
    stall_timeout_s: float = 0.0
    first_step_s: float = 600.0


class GenerationLostError(ClusterError):
    """A generation cannot go on in place; ``report`` is the error to tell if no other may follow."""

    def __init__(self, report: SparkcvError) -> None:
        super().__init__(str(report))
        self.report = report


class Budget:
    """So many of something within an hour; times are of one monotonic clock."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._taken_s: collections.deque[float] = collections.deque()

    def take(self, now_s: float) -> bool:
        """Count one more and return true, if there is one left."""
        while self._taken_s and now_s - self._taken_s[0] > WINDOW_S:
            self._taken_s.popleft()
        if len(self._taken_s) >= self.limit:
            return False
        self._taken_s.append(now_s)
        return True

    @property
    def num_taken(self) -> int:
        """Return how many were taken within the hour before the last ``take``."""
        return len(self._taken_s)


class Backoff:
    """The pause before a restart: it doubles with each one that no progress followed."""

    def __init__(self) -> None:
        self._pause_s = _FIRST_PAUSE_S

    def next_s(self) -> float:
        """Return the pause to make now."""
        pause_s = self._pause_s
        self._pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        return pause_s

    def progress(self) -> None:
        """Note that the run made progress since."""
        self._pause_s = _FIRST_PAUSE_S


class Recovery:
    """What a run has left of its budgets, over all of its generations, and how its roles are stepping."""

    def __init__(self, policy: RestartPolicy, observer: RunObserver | None = None) -> None:
        self.policy = policy
        self.optional = Budget(max(policy.max_restarts, 1))
        self._restarts, self._generations = Budget(policy.max_restarts), Budget(policy.max_generations)
        self._backoff, self._observer = Backoff(), observer or RunObserver()
        self._first: SparkcvError | None = None
        self._num_overruns = 0
        self._highest_step = 0

    def heard(self, role: Role, status: Mapping[str, Any]) -> None:
        """Take a role's status: a step above all before is progress."""
        step = status.get("step")
        if isinstance(step, int) and step > self._highest_step:
            self._highest_step = step
            self._backoff.progress()

    def in_place(self, error: SparkcvError, roles: Sequence[Role]) -> float:
        """Count a restart of node processes; return the pause before it, or raise what ends the run."""
        return self._count(error, self._restarts, f"{', '.join(map(str, roles))} in place")

    def generation(self, error: SparkcvError) -> float:
        """Count a new launch of all roles; return the pause before it, or raise what ends the run.

        Containers of the same size that were killed for their memory a second time would be killed a third time.
        """
        if isinstance(error, MemoryExceededError):
            self._num_overruns += 1
            if self._num_overruns > _MAX_OVERRUNS:
                raise error
        return self._count(error, self._generations, "all roles anew, with new addresses")

    def _count(self, error: SparkcvError, budget: Budget, what: str) -> float:
        self._first = self._first or error
        if not budget.take(time.monotonic()):
            raise _gave_up(budget, error, self._first)
        pause_s = self._backoff.next_s()
        tell(error)
        _log.warning(
            "starting %s in %.1f s, restart %d of %d in an hour", what, pause_s, budget.num_taken, budget.limit
        )
        self._observer.on_restart(str(error).partition("\n")[0])
        return pause_s


def tell(error: SparkcvError) -> None:
    """Log a whole report that does not end the run; line by line, as the log escapes breaks inside of a message."""
    for line in str(error).split("\n"):
        _log.warning("%s", line)


def is_final(failed: Sequence[RoleState]) -> bool:
    """Return whether a restart could only end the same way.

    It is so for what a program raised as one of our errors, but those about its cluster, and for what failed before
    the program ran: a module that is missing stays so.
    """
    return any(_is_final(one) for one in failed)


def _is_final(one: RoleState) -> bool:
    if one.end is None or not one.end.error_kind:
        return False
    kind = errors.by_name(one.end.error_kind)
    if kind is not None and not issubclass(kind, ClusterError):
        return True
    return not one.is_running


def who_restarts(
    failed: Sequence[RoleState], everybody: Sequence[Role], policy: RestartPolicy, services: Collection[str]
) -> list[Role]:
    """Return the roles to restart in place for those that failed.

    With a service (a ps) its state is gone, which all others have part of; they start again from the checkpoint.
    """
    if policy.together or any(one.role.job in services for one in failed):
        return list(everybody)
    return [one.role for one in failed]


def _gave_up(budget: Budget, newest: SparkcvError, first: SparkcvError) -> SparkcvError:
    """Return the error that ends a run whose budget is used up, with the first failure last: likeliest the cause.

    Without a budget it is the failure itself.
    """
    if not budget.limit:
        return newest
    sentence = str(newest).partition("\n")[0]
    return RoleFailedError(
        f"{sentence}; it was not started again after {budget.limit} restarts in an hour, of which the first was for:"
        f"\n{first}"
    )
