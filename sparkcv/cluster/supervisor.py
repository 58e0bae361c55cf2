"""The driver's side of a run of roles: launches them, follows them, and says truthfully how it ended."""

import dataclasses
import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sparkcv import storage
from sparkcv.channel.control import Server, new_secret
from sparkcv.cluster.agent import run_agent
from sparkcv.cluster.agent_task import AgentTask
from sparkcv.cluster.generation import Generation
from sparkcv.cluster.monitor import Monitor
from sparkcv.cluster.observer import RunObserver
from sparkcv.cluster.recovery import GenerationLostError, Recovery
from sparkcv.cluster.run_spec import RunSpec
from sparkcv.cluster.sigterm import Sigterm, sigterm_noted
from sparkcv.cluster.state import RunState
from sparkcv.errors import PreemptedError
from sparkcv.launchers import Launcher
from sparkcv.launchers.barrier import BarrierLauncher
from sparkcv.launchers.slots import wait_for_slots
from sparkcv.tokens import expiry
from sparkcv.tokens.store import token_store

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["run", "supervise"]

_SIGTERM = "the driver was told to end by SIGTERM"


def run(spark: "SparkSession", spec: RunSpec, observer: RunObserver | None = None) -> dict[str, dict[str, Any]]:
    """Run ``spec`` on Spark executors, one barrier task for each role; see ``supervise``."""
    return supervise(BarrierLauncher(spark), spec, observer)


def supervise(launcher: Launcher, spec: RunSpec, observer: RunObserver | None = None) -> dict[str, dict[str, Any]]:
    """Run a program as every one of its roles and return their results, such as ``{"worker:0": {...}}``.

    ``observer`` hears what happens meanwhile. A SIGTERM to this process, an agent or a node process ends the run in
    good order: workers are asked to stop, then services. When this returns or raises, every role has ended.

    Raises:
        RoleFailedError: a role died, or raised an error; the message is the whole report, the first failure's.
        UsageError, PreemptedError: with the same report, if that is what the role raised.
        PreemptedError: also after a SIGTERM, and before what the run logs in to HDFS with ends.
        ClusterError: more roles than task slots, or Spark failed.
        LaunchTimeoutError: not all roles ran within ``start_timeout_s``.
    """
    observer = observer or RunObserver()
    params = spec.params_text(0)
    recovery = Recovery(spec.policy, observer)
    expiry.tell()
    with sigterm_noted() as sigterm:

        def why_preempted() -> str:
            return _SIGTERM if sigterm.has_come else expiry.why_over()

        watch = functools.partial(Monitor, observer=observer, why_preempted=why_preempted)
        number = 0
        while True:
            wait_for_slots(
                launcher,
                len(spec.roles),
                spec.start_timeout_s / 2,
                is_patient=number > 0,
                stop_requested=lambda: bool(why_preempted()),
            )
            if why := why_preempted():
                raise PreemptedError(f"{why}; no role ran yet; the same command starts it again, or goes on")
            task = AgentTask(
                driver=("", 0),
                secret=new_secret(),
                generation=number,
                roles=tuple(map(str, spec.roles)),
                program=spec.program,
                params=params,
                log_url=storage.resolve(spec.log_url) if spec.log_url else "",
                ports=spec.ports,
                payload=spec.payload,
                standby=spec.standby,
                servers=tuple(spec.servers),
            )
            try:
                return _run_generation(launcher, spec, task, recovery, watch)
            except GenerationLostError as lost:
                _pause(recovery.generation(lost.report), sigterm)
                number += 1
                params = spec.params_text(number)


def _run_generation(
    launcher: Launcher,
    spec: RunSpec,
    task: AgentTask,
    recovery: Recovery,
    watch: Callable[[Generation], Monitor],
) -> dict[str, dict[str, Any]]:
    """Launch all roles once and follow them; when it returns or raises, every one of them has ended."""
    state = RunState(spec.roles, task.generation, token_store.newest)
    bind, host = launcher.bind_host()
    with Server(bind, task.secret, state.received, state.closed, ports=task.ports) as server:
        task = dataclasses.replace(task, driver=(host, server.port))
        name = f"{task.program} as {', '.join(task.roles)}"
        name += f", generation {task.generation}" if task.generation else ""
        launch = launcher.launch(name, len(spec.roles), functools.partial(run_agent, task))
        monitor = watch(Generation(spec, state, launch, server, recovery))
        try:
            return monitor.follow()
        finally:
            monitor.end()


def _pause(seconds: float, sigterm: Sigterm) -> None:
    if sigterm.wait(seconds):
        raise PreemptedError(
            "the driver was told to end by SIGTERM between two generations; the same command resumes from the newest"
            " checkpoint"
        )
