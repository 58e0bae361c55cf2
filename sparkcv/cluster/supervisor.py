"""The driver's side of a run of roles: launches them, follows them, and says truthfully how it ended."""

import functools
import json
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sparkcv import storage
from sparkcv.cluster.agent import AgentTask, run_agent
from sparkcv.cluster.board import Board
from sparkcv.cluster.channel import Server, new_secret
from sparkcv.cluster.follower import Follower, OnStatus
from sparkcv.cluster.launchers import Launcher
from sparkcv.cluster.launchers.barrier import BarrierLauncher
from sparkcv.cluster.node import split_program
from sparkcv.cluster.slots import wait_for_slots
from sparkcv.cluster.topology import Role, cluster_of
from sparkcv.config.port_range import ANY_PORT, PortRange
from sparkcv.errors import UsageError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["OnStatus", "run", "supervise"]


def run(
    spark: "SparkSession",
    program: str,
    roles: Sequence[Role],
    params: Mapping[str, Any],
    *,
    services: Collection[str] = ("ps",),
    on_status: OnStatus | None = None,
    start_timeout_s: float = 120.0,
    log_url: str = "",
    ports: PortRange = ANY_PORT,
) -> dict[str, dict[str, Any]]:
    """Runs ``program`` as every one of ``roles`` on Spark executors, one barrier task each; see ``supervise``."""
    return supervise(
        BarrierLauncher(spark),
        program,
        roles,
        params,
        services=services,
        on_status=on_status,
        start_timeout_s=start_timeout_s,
        log_url=log_url,
        ports=ports,
    )


def supervise(
    launcher: Launcher,
    program: str,
    roles: Sequence[Role],
    params: Mapping[str, Any],
    *,
    services: Collection[str] = ("ps",),
    on_status: OnStatus | None = None,
    start_timeout_s: float = 120.0,
    log_url: str = "",
    generation: int = 0,
    service_grace_s: float = 10.0,
    ports: PortRange = ANY_PORT,
) -> dict[str, dict[str, Any]]:
    """Runs ``program`` as every one of ``roles`` and returns their results, such as ``{"worker:0": {...}}``.

    ``program`` is ``"package.module:function"`` of a function ``(NodeContext) -> dict``, importable on the executors;
    ``params`` is JSON-able. Jobs named in ``services`` serve the others: they are asked to stop once all others have
    returned, and have ``service_grace_s`` to do so. ``on_status(role, status)`` gets what programs report, in this
    thread; what it raises ends the run. ``log_url`` is a storage folder for each role's whole log. Driver and
    roles listen on ``ports`` only. Half of ``start_timeout_s`` is the longest wait for the cluster manager to grant
    executors (those it has granted have 10 minutes more to start, where it can be asked), all of it the longest wait,
    from then on, until each program runs.

    When this returns or raises, every role has ended.

    Raises:
        RoleFailedError: a role died, or raised an error; the message is the whole report, the first failure's.
        UsageError, PreemptedError: with the same report, if that is what the role raised.
        ClusterError: more roles than slots, or Spark failed.
        LaunchTimeoutError: not all roles ran within ``start_timeout_s``.
    """
    if not roles:
        raise UsageError("a run needs at least one role, got none")
    split_program(program)
    cluster_of([(role, "") for role in roles])  # refuses gaps and doubles before anything starts
    text = _params_text(params)
    wait_for_slots(launcher, len(roles), start_timeout_s / 2)
    board = Board(roles, generation)
    secret = new_secret()
    bind, host = launcher.bind_host()
    with Server(bind, secret, board.received, board.closed, ports=ports) as server:
        task = AgentTask(
            driver=(host, server.port),
            secret=secret,
            generation=generation,
            roles=tuple(map(str, roles)),
            program=program,
            params=text,
            log_url=storage.resolve(log_url) if log_url else "",
            ports=ports,
        )
        launch = launcher.launch(
            f"{program} as {', '.join(task.roles)}", len(roles), functools.partial(run_agent, task)
        )
        follower = Follower(board, launch, server, frozenset(services), on_status, start_timeout_s, service_grace_s)
        try:
            return follower.follow()
        finally:
            follower.end()


def _params_text(params: Mapping[str, Any]) -> str:
    try:
        return json.dumps(dict(params))
    except (TypeError, ValueError) as err:
        raise UsageError(f"a program's params must be JSON-able: {err}") from err
