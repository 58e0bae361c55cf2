"""A run as data: which program runs as which roles, how far failures are answered, and how long it may take."""

import dataclasses
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from sparkcv.cluster.program import split_program
from sparkcv.cluster.recovery import RestartPolicy
from sparkcv.config.port_range import ANY_PORT, PortRange
from sparkcv.errors import UsageError
from sparkcv.roles import Role, cluster_of

__all__ = ["NO_RESTARTS", "RunSpec"]

NO_RESTARTS = RestartPolicy()


@dataclasses.dataclass(frozen=True)
class RunSpec:
    """A run of roles, checked as it is made; print it to see what would run.

    Attributes:
        program: ``"package.module:function"`` of a function ``(NodeContext) -> dict``, importable on the executors;
            every role runs it.
        roles: who runs; the indices of each job are 0..n-1.
        params: JSON-able, or a function that gives such for each generation, counted from 0.
        services: jobs that serve the others: they are asked to stop once all others have returned. A role that
            reports ``"serves": true`` is a service from then on.
        optional: services whose failures never end the run.
        policy: how far failures of roles are answered with restarts.
        start_timeout_s: half of it is the longest wait for the cluster manager to grant executors (those it has
            granted have 10 minutes more to start, where it can be asked), all of it the longest wait, from then on,
            until each program runs.
        optional_grace_s: what the optional jobs have to stop.
        log_url: storage folder for each role's whole log; "" keeps none.
        ports: those that driver and roles may listen on.
        payload: bytes that go to every program by the launcher's own way.
        standby: whether a process with the program imported waits beside each role, from which it starts again.
        servers: jobs whose roles are gRPC servers: where a role that is stalled cannot reach one, all roles are
            launched anew, as a restart in place would meet the same link.

    Raises UsageError for what can never run: no roles, gaps among them, a program or params of the wrong form.
    """

    program: str
    roles: Sequence[Role]
    params: Mapping[str, Any] | Callable[[int], Mapping[str, Any]]
    services: Collection[str] = ("ps",)
    optional: Collection[str] = ()
    policy: RestartPolicy = NO_RESTARTS
    start_timeout_s: float = 120.0
    optional_grace_s: float = 10.0
    log_url: str = ""
    ports: PortRange = ANY_PORT
    payload: bytes = dataclasses.field(default=b"", repr=False)
    standby: bool = False
    servers: Sequence[str] = ()

    def __post_init__(self) -> None:
        if not self.roles:
            raise UsageError("a run needs at least one role, got none")
        split_program(self.program)
        cluster_of([(role, "") for role in self.roles])
        if not callable(self.params):
            self.params_text(0)

    def params_text(self, generation: int) -> str:
        """Return the JSON text of what the program gets in that launch; raises UsageError for what has none."""
        params = self.params(generation) if callable(self.params) else self.params
        try:
            return json.dumps(dict(params))
        except (TypeError, ValueError) as err:
            raise UsageError(f"a program's params must be JSON-able: {err}") from err
