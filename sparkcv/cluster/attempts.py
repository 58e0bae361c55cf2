"""The node processes of one agent, one after the other: each is started, watched, and told of to the driver."""

import contextlib
import dataclasses
import json
import os
import time

from sparkcv.channel import messages
from sparkcv.channel.heartbeat import Heartbeat
from sparkcv.channel.messages import End
from sparkcv.cluster.agent_task import AgentTask
from sparkcv.cluster.child import Child, Placement
from sparkcv.cluster.link_check import LinkCheck
from sparkcv.cluster.node_status import NodeStatus
from sparkcv.cluster.role_log import RoleLog
from sparkcv.cluster.standby import Standby
from sparkcv.errors import ChannelError
from sparkcv.launchers import TaskSlot
from sparkcv.roles import Role
from sparkcv.spark.scratch import scratch_dir, sweep

__all__ = ["AgentContext", "run_attempts"]

_POLL_S = 0.1
_ORDER_POLL_S = 0.25
_LOG_DRAIN_TIMEOUT_S = 2.0
_SIGTERM_GRACE_S = 45.0  # the driver gives 30 to the save
_ORDERED = "the driver ended the run"
_TOLD = "its agent was told to end by SIGTERM"


@dataclasses.dataclass(frozen=True)
class AgentContext:
    """What all node processes of an agent have in common; whatever carries the standby's mark ends with the agent."""

    task: AgentTask
    role: Role
    cluster: dict[str, list[str]]
    slot: TaskSlot
    heartbeat: Heartbeat
    status: NodeStatus
    standby: Standby


def run_attempts(agent: AgentContext) -> None:
    """Run node process after node process, as the driver orders, until it has no more use for this agent."""
    attempt: int | None = 0
    while attempt is not None:
        _run_attempt(agent, attempt)
        attempt = _next_attempt(agent, attempt)


def _next_attempt(agent: AgentContext, attempt: int) -> int | None:
    """Wait for the driver's answer to an end: the number of the next attempt, or None if this agent may go."""
    while True:
        if agent.heartbeat.lost:
            raise ChannelError(agent.heartbeat.lost)
        order = agent.heartbeat.order
        if order.order == "stop":
            return None
        if order.order == "restart" and order.attempt > attempt:
            return order.attempt
        time.sleep(_POLL_S)  # the heartbeat's own thread brings the order


def _run_attempt(agent: AgentContext, attempt: int) -> None:
    """Start a node process, watch it to its end, tell the driver how it ended, and clean up."""
    task, slot, status = agent.task, agent.slot, agent.status
    status.begin(attempt)
    with contextlib.ExitStack() as stack:
        try:
            sweep(slot.scratch_root)
            folder = stack.enter_context(scratch_dir(slot.scratch_root))
            scratch, temporary = os.path.join(folder, "work"), os.path.join(folder, "tmp")
            os.mkdir(scratch)
            os.mkdir(temporary)
            params = json.loads(task.params)
            place = Placement(task.program, agent.cluster, params, task.generation, attempt, task.payload)
            child = stack.enter_context(Child(agent.role, place, scratch, temporary, slot.gpus, agent.standby))
        except OSError as err:
            status.end()
            agent.heartbeat.tell(_end_without_process(err, attempt))
            return
        log = RoleLog(child.take_log_fd(), status.uploader)
        stack.callback(log.close, _LOG_DRAIN_TIMEOUT_S)
        status.begin(attempt, child, log)
        why_ended = _watch_node(child, agent)
        child.kill()  # what the program started and left behind goes too
        log.close(_LOG_DRAIN_TIMEOUT_S)
        status.end()
        if why_ended is not None:
            agent.heartbeat.tell(_end_of(child, status, why_ended))  # before the cleaning up, which can take its time


def _watch_node(child: Child, agent: AgentContext) -> str | None:
    """Wait until the process is gone; return "" if it ended itself, else why it was ended, None if it is replaced."""
    heartbeat, status = agent.heartbeat, agent.status
    why, grace_s, deadline_s, is_asked, has_stacks = "", 0.0, float("inf"), False, False
    while True:
        is_running = child.is_running  # first, so that the last messages of an ended process are heard
        status.hear(child.messages())
        if not is_running:
            return why
        if heartbeat.lost:
            child.kill()
            raise ChannelError(heartbeat.lost)
        order = heartbeat.order
        if order.order == "restart" and order.attempt > status.attempt:
            child.kill()
            return None
        if order.order != "stacks":
            has_stacks = False
        elif order.attempt == status.attempt and not has_stacks:
            child.ask_for_stacks()
            status.links = LinkCheck(agent.cluster, [] if agent.role.job in agent.task.servers else agent.task.servers)
            has_stacks = True
        if order.order == "stop" and why != _ORDERED:
            why, grace_s = _ORDERED, order.grace_s
            deadline_s = time.monotonic() + grace_s
        elif status.sigterm.has_come and not why:  # the driver is told, and ends all roles in their order
            why, grace_s = _TOLD, _SIGTERM_GRACE_S
            deadline_s = time.monotonic() + grace_s
        if why == _ORDERED and status.is_ready and not is_asked:
            child.ask_to_stop()  # not before it listens: the signal would be its death
            is_asked = True
        if time.monotonic() > deadline_s:
            child.kill()
            return f"{why}, and it did not end within {grace_s:.0f} s"
        child.wait(_ORDER_POLL_S)  # what the process says wakes it at once, the driver's orders are looked for


def _end_of(child: Child, status: NodeStatus, why_ended: str) -> End:
    result, error = status.outcome.get("result"), status.outcome.get("error")
    is_good = isinstance(result, dict) and child.returncode == 0
    return End(
        returncode=child.returncode,
        result=result if is_good else None,
        error="" if is_good else str(error or why_ended)[: messages.MAX_SENTENCE_CHARS],
        error_kind=str(status.outcome.get("error_kind", "")) if not is_good else "",
        tail=status.tail,
        peak_rss_bytes=child.peak_rss_bytes,
        attempt=status.attempt,
        was_running=status.is_ready,
    )


def _end_without_process(err: OSError, attempt: int) -> End:
    return End(
        returncode=None,
        result=None,
        error=f"its process cannot be started: {err}"[: messages.MAX_SENTENCE_CHARS],
        error_kind="",
        tail=[],
        peak_rss_bytes=0,
        attempt=attempt,
    )
