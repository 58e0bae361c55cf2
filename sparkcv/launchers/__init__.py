"""The launch seam: what a supervisor needs of whatever starts one agent per role somewhere.

Spark's barrier stage (barrier.py) is one launcher; any other passes the same suite, tests/contracts/launcher.py.
"""

import dataclasses
from collections.abc import Callable
from typing import Protocol

from sparkcv.spark.memory import ExecutorMemory

__all__ = ["Body", "Launch", "Launcher", "Slots", "TaskSlot"]


@dataclasses.dataclass(frozen=True)
class TaskSlot:
    """Where an agent runs, as it finds it when it is started.

    Attributes:
        index: 0..count-1; which of the launched agents this one is.
        host: address by which the other agents reach this one.
        task: what the cluster manager calls this task slot; ``Launch.place`` and ``Launch.loss`` understand it.
        scratch_root: local folder of the launch, removed by the cluster manager even if the agent is killed.
        exchange: sends a text to all agents and returns everybody's, by index, once all have called it.
        gpus: addresses of the GPUs that are this task slot's alone; () where the cluster manager gives none out.
    """

    index: int
    host: str
    task: str
    scratch_root: str
    exchange: Callable[[str], list[str]]
    gpus: tuple[str, ...] = ()


Body = Callable[[TaskSlot], None]  # importable by name on the executors, or a functools.partial of such a one


@dataclasses.dataclass(frozen=True)
class Slots:
    """How many agents can run at once: ``now``, and at ``most`` when all that was asked for is there (None: open)."""

    now: int
    most: int | None


class Launch(Protocol):
    """Agents that were launched together; they start all or not at all."""

    def is_over(self) -> bool:
        """Return whether no agent runs any more and none will."""

    def error(self) -> str:
        """Return why the launch ended other than by every body returning, in one line; "" if it did not, or not yet."""

    def place(self, task: str) -> str:
        """Return where that ``TaskSlot.task`` runs, such as "Spark executor 2"; "" if unknown."""

    def loss(self, task: str) -> str:
        """Return why the cluster manager lost the place of that ``TaskSlot.task``; "" if it knows of no loss."""

    def complaint(self, task: str) -> str:
        """Return the first failure that the cluster manager has of any task in the launch of that one; "" if none."""

    def stopped(self) -> str:
        """Return why all of it ended at once, for no fault of a task (the application was killed); "" if it did not."""

    def memory(self) -> ExecutorMemory | None:
        """Return what the place of each agent was given; None where the cluster manager does not bound it."""

    def cancel(self) -> None:
        """End all agents, by force if need be; return at once. Cancelling what is over is fine."""

    def join(self, timeout_s: float) -> bool:
        """Wait until the launch is over; return False if it is not after ``timeout_s``."""


class Launcher(Protocol):
    """Starts agents."""

    def slots(self) -> Slots:
        """Return how many agents could be launched; raises ClusterError where none can any more."""

    def granted(self) -> int | None:
        """Return how many could be launched once all that was granted has started; None if that is not known."""

    def obstacle(self, num_missing: int) -> str:
        """Return what has kept ``num_missing`` places from starting for too long; "" if nothing is known."""

    def bind_host(self) -> tuple[str, str]:
        """Return the interface that the driver listens on for its agents, and the name by which they reach it."""

    def launch(self, name: str, count: int, body: Body) -> Launch:
        """Start ``body(slot)`` in ``count`` task slots and return at once; ``name`` is for people to read."""
