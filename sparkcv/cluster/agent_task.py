"""What every agent of a launch is to do, as data."""

import dataclasses

from sparkcv.config.port_range import ANY_PORT, PortRange

__all__ = ["AgentTask"]


@dataclasses.dataclass(frozen=True)
class AgentTask:
    """What the driver sends every agent of a launch, inside Spark's task data.

    Attributes:
        driver: host and port of the control channel.
        secret: of this run's channel; shown nowhere.
        generation: counts the launches of a run from 0.
        roles: the role of each task slot, by index.
        program: ``"package.module:function"``, run by every role.
        params: JSON text of the program's parameters.
        log_url: storage folder for the roles' whole logs, or "" to keep none.
        ports: those that the roles' processes may listen on.
        payload: of every role's ``NodeContext``.
        standby: whether a standby waits beside each role's process; never beside a function of the user's, which may
            start threads when it is imported.
        servers: jobs whose roles are gRPC servers, which the others are to reach.
    """

    driver: tuple[str, int]
    secret: bytes = dataclasses.field(repr=False)
    generation: int
    roles: tuple[str, ...]
    program: str
    params: str
    log_url: str
    ports: PortRange = ANY_PORT
    payload: bytes = dataclasses.field(default=b"", repr=False)
    standby: bool = False
    servers: tuple[str, ...] = ()
