"""Roles as data: every other room names a process of a run by these values and needs nothing heavier."""

import dataclasses
import re
from collections.abc import Callable, Sequence
from typing import Any

from sparkcv import container
from sparkcv.errors import UsageError

__all__ = ["CHIEF", "NodeContext", "Role", "cluster_of", "roles", "share_of_cores"]

_ROLE_TEXT = re.compile(r"([a-z][a-z_]{0,31}):(0|[1-9][0-9]{0,5})")


@dataclasses.dataclass(frozen=True, order=True)
class Role:
    """One process of a run; ``str(Role("worker", 1))`` is ``"worker:1"``.

    Attributes:
        job: ``"ps"``, ``"worker"``, ``"evaluator"`` or a one-process job such as ``"exporter"``.
        index: 0 for the first process of its job.
    """

    job: str
    index: int

    def __post_init__(self) -> None:
        if not _ROLE_TEXT.fullmatch(f"{self.job}:{self.index}"):
            raise UsageError(f"a role is a lower-case job and an index such as worker:1, not {self!s}")

    def __str__(self) -> str:
        return f"{self.job}:{self.index}"

    @classmethod
    def parse(cls, text: str) -> "Role":
        """Return the role that ``text`` ("worker:1") names; raises UsageError for anything else."""
        match = _ROLE_TEXT.fullmatch(text)
        if match is None:
            raise UsageError(f"a role is a lower-case job and an index such as worker:1, not {text!r}")
        return cls(match[1], int(match[2]))


CHIEF = Role("worker", 0)  # writes the checkpoints; there is no separate "chief" job


def roles(num_ps: int, num_workers: int, num_evaluators: int = 0) -> tuple[Role, ...]:
    """Return the roles of a training run: ps first, then workers (worker:0 is the chief), then evaluators."""
    if num_ps < 0 or num_evaluators < 0:
        raise UsageError(f"num_ps and num_evaluators count from 0, not {num_ps} and {num_evaluators}")
    if num_workers < 1:
        raise UsageError(f"a run needs at least 1 worker (the chief), not {num_workers}")
    counts = (("ps", num_ps), ("worker", num_workers), ("evaluator", num_evaluators))
    return tuple(Role(job, index) for job, count in counts for index in range(count))


def cluster_of(addresses: Sequence[tuple[Role, str]]) -> dict[str, list[str]]:
    """Return TF's cluster description, job -> ``"host:port"`` by index, of every role and its address.

    Raises UsageError if a job's indices are not 0..n-1 or a role stands there twice.
    """
    cluster: dict[str, list[str]] = {}
    for role, address in sorted(addresses):
        members = cluster.setdefault(role.job, [])
        if role.index != len(members):
            raise UsageError(f"expected {role.job}:{len(members)} among the roles, got {role}")
        members.append(address)
    return cluster


@dataclasses.dataclass(frozen=True)
class NodeContext:
    """What a program gets when a node process calls it: ``program(ctx) -> dict`` (the role's result).

    Attributes:
        role: who this process is.
        cluster: job -> ``"host:port"`` by index, of every role of the run, this one included. The port of this
            process is held for it by its agent (SO_REUSEPORT), so binding it cannot fail for being taken.
        params: the JSON-able dict that the driver passed, the same for every role.
        scratch_dir: an empty local folder of this process; removed after it ended.
        generation: counts the launches of the run from 0.
        attempt: counts the processes of this role in its generation from 0; above 0 the others may have gone on.
        report: sends a small JSON-able status (under 8 kB) to the driver; never blocks, the newest one wins.
        stop_requested: true once the driver asked this process to end in good order.
        payload: bytes of the driver's that came by the launcher's own way, such as a pickled function; no channel of
            ours carries them.
        leave: sends this result and ends the process at once, from any thread: for a program whose main thread waits
            in code that no signal reaches.
    """

    role: Role
    cluster: dict[str, list[str]]
    params: dict[str, Any]
    scratch_dir: str
    report: Callable[[dict[str, Any]], None]
    stop_requested: Callable[[], bool]
    generation: int = 0
    attempt: int = 0
    payload: bytes = dataclasses.field(default=b"", repr=False)
    leave: Callable[[dict[str, Any]], None] | None = None


def share_of_cores(ctx: NodeContext, job: str) -> int:
    """Return the cores of this machine for each of the processes of ``job`` on the host of ``ctx.role``, at least 1.

    In a container, these are the cores whose time it has. It is what a process takes as TensorFlow's intra-op threads,
    so that processes times threads is the cores. ``job`` is the one that computes: a ps shares its host with workers,
    and is not counted.
    """
    own = ctx.cluster.get(ctx.role.job, [])
    host = own[ctx.role.index].rpartition(":")[0] if own else ""
    neighbours = sum(address.rpartition(":")[0] == host for address in ctx.cluster.get(job, []))
    return max(1, container.cores() // max(1, neighbours))
