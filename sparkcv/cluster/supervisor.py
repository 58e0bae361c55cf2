"""The driver's side of a run of roles: launches them, follows them, and says truthfully how it ended."""

import functools
import json
import time
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sparkcv import storage
from sparkcv.cluster.agent import AgentTask, run_agent
from sparkcv.cluster.board import Board
from sparkcv.cluster.channel import Server, new_secret
from sparkcv.cluster.follower import Follower, OnStatus
from sparkcv.cluster.launchers import Launcher, Slots
from sparkcv.cluster.launchers.barrier import BarrierLauncher
from sparkcv.cluster.node import split_program
from sparkcv.cluster.topology import Role, cluster_of
from sparkcv.errors import ClusterError, UsageError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["OnStatus", "run", "supervise"]

_POLL_S = 0.2


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
) -> dict[str, dict[str, Any]]:
    """Runs ``program`` as every one of ``roles`` and returns their results, such as ``{"worker:0": {...}}``.

    ``program`` is ``"package.module:function"`` of a function ``(NodeContext) -> dict``, importable on the executors;
    ``params`` is JSON-able. Jobs named in ``services`` serve the others: they are asked to stop once all others have
    returned. ``on_status(role, status)`` gets what programs report, in this thread; what it raises ends the run.
    ``log_url`` is a storage folder for each role's whole log. Half of ``start_timeout_s`` is the longest wait for
    executors, all of it the longest wait, from then on, until each program runs.

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
    _wait_for_slots(launcher, len(roles), start_timeout_s / 2)
    board = Board(roles, generation)
    secret = new_secret()
    bind, host = launcher.bind_host()
    with Server(bind, secret, board.received, board.closed) as server:
        task = AgentTask(
            driver=(host, server.port),
            secret=secret,
            generation=generation,
            roles=tuple(map(str, roles)),
            program=program,
            params=text,
            log_url=storage.resolve(log_url) if log_url else "",
        )
        launch = launcher.launch(
            f"{program} as {', '.join(task.roles)}", len(roles), functools.partial(run_agent, task)
        )
        follower = Follower(board, launch, server, frozenset(services), on_status, start_timeout_s)
        try:
            return follower.follow()
        finally:
            follower.end()


def _asked(slots: Slots) -> str:
    return "" if slots.most is None else f", of {slots.most} asked for"


def _params_text(params: Mapping[str, Any]) -> str:
    try:
        return json.dumps(dict(params))
    except (TypeError, ValueError) as err:
        raise UsageError(f"a program's params must be JSON-able: {err}") from err


def _wait_for_slots(launcher: Launcher, count: int, timeout_s: float) -> None:
    deadline_s = time.monotonic() + timeout_s
    while True:
        slots = launcher.slots()
        if slots.now >= count:
            return
        if slots.most is not None and slots.most < count:
            raise ClusterError(
                f"{count} roles need {count} task slots at once, but the Spark application asked for {slots.most}: "
                f"submit with --num-executors {count}, or use fewer ps and workers"
            )
        if time.monotonic() > deadline_s:
            raise ClusterError(
                f"{count} roles need {count} task slots at once, but only {slots.now} were there after "
                f"{timeout_s:.0f} s{_asked(slots)}: the cluster did not grant the rest; see the free memory and cores "
                "of its queue, then wait, ask for less memory an executor, or use fewer ps and workers"
            )
        time.sleep(_POLL_S)  # executors register when the cluster manager has room: there is nothing to wait on
