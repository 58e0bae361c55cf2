"""The driver's side of a run of roles: launches them, follows them, and says truthfully how it ended."""

import dataclasses
import functools
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sparkcv import storage
from sparkcv.channel.control import Server, new_secret
from sparkcv.cluster.agent import AgentTask, run_agent
from sparkcv.cluster.monitor import Monitor, OnSlow, OnStatus
from sparkcv.cluster.node import split_program
from sparkcv.cluster.recovery import GenerationLostError, OnRestart, Recovery, RestartPolicy
from sparkcv.cluster.sigterm import Sigterm, sigterm_noted
from sparkcv.cluster.state import RunState
from sparkcv.config.port_range import ANY_PORT, PortRange
from sparkcv.errors import PreemptedError, UsageError
from sparkcv.launchers import Launch, Launcher
from sparkcv.launchers.barrier import BarrierLauncher
from sparkcv.launchers.slots import wait_for_slots
from sparkcv.roles import Role, cluster_of
from sparkcv.tokens import expiry
from sparkcv.tokens.store import token_store

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["NO_RESTARTS", "OnStatus", "run", "supervise"]

NO_RESTARTS = RestartPolicy()
_SIGTERM = "the driver was told to end by SIGTERM"


def run(
    spark: "SparkSession",
    program: str,
    roles: Sequence[Role],
    params: Mapping[str, Any],
    **more: Any,
) -> dict[str, dict[str, Any]]:
    """Runs ``program`` as every one of ``roles`` on Spark executors, one barrier task each; see ``supervise``."""
    return supervise(BarrierLauncher(spark), program, roles, params, **more)


def supervise(
    launcher: Launcher,
    program: str,
    roles: Sequence[Role],
    params: Mapping[str, Any] | Callable[[int], Mapping[str, Any]],
    *,
    services: Collection[str] = ("ps",),
    optional: Collection[str] = (),
    policy: RestartPolicy = NO_RESTARTS,
    on_status: OnStatus | None = None,
    on_restart: OnRestart | None = None,
    on_slow: OnSlow | None = None,
    on_look: Callable[[], None] | None = None,
    start_timeout_s: float = 120.0,
    log_url: str = "",
    optional_grace_s: float = 10.0,
    ports: PortRange = ANY_PORT,
    payload: bytes = b"",
) -> dict[str, dict[str, Any]]:
    """Runs ``program`` as every one of ``roles`` and returns their results, such as ``{"worker:0": {...}}``.

    ``program`` is ``"package.module:function"`` of a function ``(NodeContext) -> dict``, importable on the executors;
    ``params`` is JSON-able, or a function that gives such for each generation, counted from 0. Jobs named in
    ``services`` serve the others: they are asked to stop once all others have returned. So are those in ``optional``,
    whose failures never end the run, and which have ``optional_grace_s`` to stop. ``policy`` says how far failures of
    roles are answered with restarts; ``on_restart(sentence)`` hears of each, and ``on_slow(stragglers)`` of all roles
    that are slow whenever that changes. ``on_status(role, status)`` gets what programs report, in this thread, and
    ``on_look()`` is called there several times a second, whether anybody reports or not; what they raise ends the run.
    ``log_url`` is a storage folder for each role's whole log. Driver and roles listen on ``ports`` only. ``payload``
    goes to every program by the launcher's own way. A role that reports ``"serves": true`` is one of the ``services``
    from then on. Half of ``start_timeout_s`` is the longest wait for the cluster manager to grant executors (those it
    has granted have 10 minutes more to start, where it can be asked), all of it the longest wait, from then on, until
    each program runs.

    A SIGTERM to this process, an agent or a node process ends the run in good order: workers are asked to stop, then
    services. When this returns or raises, every role has ended.

    Raises:
        RoleFailedError: a role died, or raised an error; the message is the whole report, the first failure's.
        UsageError, PreemptedError: with the same report, if that is what the role raised.
        PreemptedError: also after a SIGTERM, and before what the run logs in to HDFS with ends.
        ClusterError: more roles than slots, or Spark failed.
        LaunchTimeoutError: not all roles ran within ``start_timeout_s``.
    """
    if not roles:
        raise UsageError("a run needs at least one role, got none")
    split_program(program)
    cluster_of([(role, "") for role in roles])  # refuses gaps and doubles before anything starts
    params_of = params if callable(params) else lambda _: params
    text = _params_text(params_of(0))
    recovery = Recovery(policy, on_restart)
    expiry.tell()
    with sigterm_noted() as sigterm:
        generation = 0
        while True:
            wait_for_slots(launcher, len(roles), start_timeout_s / 2)
            task = AgentTask(
                driver=("", 0),
                secret=new_secret(),
                generation=generation,
                roles=tuple(map(str, roles)),
                program=program,
                params=text,
                log_url=storage.resolve(log_url) if log_url else "",
                ports=ports,
                payload=payload,
            )

            def follow(board: RunState, launch: Launch, server: Server) -> Monitor:
                return Monitor(
                    board,
                    launch,
                    server,
                    recovery,
                    services=services,
                    optional=optional,
                    on_status=on_status,
                    on_slow=on_slow,
                    on_look=on_look,
                    start_timeout_s=start_timeout_s,
                    optional_grace_s=optional_grace_s,
                    why_preempted=lambda: _SIGTERM if sigterm.has_come else expiry.why_over(),
                )

            try:
                return _run_generation(launcher, roles, task, follow)
            except GenerationLostError as lost:
                _pause(recovery.generation(lost.report), sigterm)
                generation += 1
                text = _params_text(params_of(generation))


def _run_generation(
    launcher: Launcher,
    roles: Sequence[Role],
    task: AgentTask,
    follow: Callable[[RunState, Launch, Server], Monitor],
) -> dict[str, dict[str, Any]]:
    """Launches all roles once and follows them; when it returns or raises, every one of them has ended."""
    board = RunState(roles, task.generation, token_store.newest)
    bind, host = launcher.bind_host()
    with Server(bind, task.secret, board.received, board.closed, ports=task.ports) as server:
        task = dataclasses.replace(task, driver=(host, server.port))
        name = f"{task.program} as {', '.join(task.roles)}"
        name += f", generation {task.generation}" if task.generation else ""
        launch = launcher.launch(name, len(roles), functools.partial(run_agent, task))
        follower = follow(board, launch, server)
        try:
            return follower.follow()
        finally:
            follower.end()


def _pause(seconds: float, sigterm: Sigterm) -> None:
    if sigterm.wait(seconds):
        raise PreemptedError(
            "the driver was told to end by SIGTERM between two generations; the same command resumes from the newest"
            " checkpoint"
        )


def _params_text(params: Mapping[str, Any]) -> str:
    try:
        return json.dumps(dict(params))
    except (TypeError, ValueError) as err:
        raise UsageError(f"a program's params must be JSON-able: {err}") from err
