"""The agent: the light Spark task beside each role's node process, without TensorFlow.

It holds the role's port, exchanges addresses with the other agents, starts the node process, watches it, tells the
driver how it ended, starts it again on the same port if the driver says so, and takes the node process along when it
ends itself, in whichever way.
"""

import contextlib
import dataclasses
import json
import os
import secrets
import threading
import time
from typing import Any

from sparkcv import storage
from sparkcv.channel import messages
from sparkcv.channel.heartbeat import Heartbeat
from sparkcv.channel.messages import Beat, End, Hello
from sparkcv.channel.ports import hold_port
from sparkcv.cluster.child import Child, Placement
from sparkcv.cluster.reaper import guarded
from sparkcv.cluster.role_log import LogKeeper, RoleLog, fitting
from sparkcv.cluster.sigterm import Sigterm, sigterm_noted
from sparkcv.config.port_range import ANY_PORT, PortRange
from sparkcv.errors import ChannelError
from sparkcv.launchers import TaskSlot
from sparkcv.roles import Role, cluster_of
from sparkcv.spark.scratch import scratch_dir, sweep
from sparkcv.tokens.token_file import TokenFile, inherited

__all__ = ["AgentTask", "log_name", "run_agent"]

_POLL_S = 0.1
_ORDER_POLL_S = 0.25
_LOG_DRAIN_TIMEOUT_S = 2.0
_LOG_KEEP_TIMEOUT_S = 5.0
_SIGTERM_GRACE_S = 45.0  # the driver gives 30 to the save
_ORDERED = "the driver ended the run"
_TOLD = "its agent was told to end by SIGTERM"


@dataclasses.dataclass(frozen=True)
class AgentTask:
    """What the driver sends every agent of a launch, inside Spark's task data.

    Attributes:
        driver: host and port of the control channel.
        secret: of this run's channel; shown nowhere.
        generation: counts the launches of a run from 0.
        roles: the role of each seat, by index.
        program: ``"package.module:function"``, run by every role.
        params: JSON text of the program's parameters.
        log_url: storage folder for the roles' whole logs, or "" to keep none.
        ports: those that the roles' processes may listen on.
        payload: of every role's ``NodeContext``.
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


def log_name(role: Role) -> str:
    """File name of a role's whole log, ``worker-1.log``: HDFS allows no colon in a path."""
    return f"{role.job}-{role.index}.log"


def run_agent(task: AgentTask, seat: TaskSlot) -> None:
    """Runs one role from hello to end, in the Spark task's main thread.

    Returns when the driver knows how the role ended, well or not: the verdict is the driver's, and a failing Spark
    task would only make Spark try again. Raises ChannelError if the driver refuses this agent or cannot be told.
    """
    role = Role.parse(task.roles[seat.index])
    hello = Hello(
        role=str(role),
        generation=task.generation,
        agent=secrets.token_hex(8),
        host=seat.host,
        task=seat.task,
        pid=os.getpid(),
    )
    with sigterm_noted() as sigterm, contextlib.ExitStack() as stack:
        watch = _Watch(sigterm)
        # Swept by the next agent there if this one is killed. Nothing is kept where HDFS wants no tokens.
        tokens = stack.enter_context(TokenFile(stack.enter_context(scratch_dir(seat.scratch_root))))
        if held := inherited():
            tokens.put(held)
        link = stack.enter_context(Heartbeat(task.driver, task.secret, hello, watch.beat, tokens.put))
        port = stack.enter_context(hold_port(task.ports))
        addresses = seat.exchange(f"{seat.host}:{port}")
        cluster = cluster_of([(Role.parse(name), addresses[at]) for at, name in enumerate(task.roles)])
        if task.log_url:
            watch.keeper = keeper = LogKeeper(storage.join(task.log_url, log_name(role)))
            stack.callback(lambda: keeper.close(watch.tail, _LOG_KEEP_TIMEOUT_S))
        mark = stack.enter_context(guarded(seat.scratch_root))
        _live_on(_Lives(task, role, cluster, seat, link, watch, mark))


class _Watch:
    """What the agent knows of its node process, shared between its main thread and the beating one."""

    def __init__(self, sigterm: Sigterm) -> None:
        self._lock = threading.Lock()
        self.keeper: LogKeeper | None = None
        self.sigterm = sigterm
        self.tail: list[str] = []
        self._unsent: tuple[list[str], int] = ([], 0)
        self.begin(0)

    def begin(self, attempt: int, child: Child | None = None, log: RoleLog | None = None) -> None:
        """Turns to the next node process; without one it could not be started yet."""
        with self._lock:
            self.attempt, self.child, self.log = attempt, child, log
            self.is_ready = self.has_ended = self.has_told = False
            self.outcome: dict[str, Any] = {}
            self._status: dict[str, Any] | None = None

    def end(self) -> None:
        """Notes that the node process is gone; the last of its log is for the next beat."""
        with self._lock:
            self.has_ended = True
            if self.log is not None:
                self._unsent, self.tail, self.log = self.log.take_live(), self.log.tail(), None

    def hear(self, said: list[dict[str, Any]]) -> None:
        """Notes the node process's messages; of several statuses the newest counts."""
        for message in said:
            if "ready" in message:
                self.is_ready = True
            elif "told_to_end" in message:
                self.has_told = True
            elif isinstance(message.get("status"), dict):
                with self._lock:
                    self._status = message["status"]
            else:
                self.outcome = message

    def beat(self) -> Beat:
        """The next beat; its log lines and status are new ones."""
        with self._lock:
            status, self._status = self._status, None
            lines, num_dropped = self.log.take_live() if self.log is not None else self._unsent
            self._unsent = ([], 0)
            child = None if self.has_ended else self.child
            state = "ended" if self.has_ended else "running" if self.is_ready else "starting"
        if self.keeper is not None and (error := self.keeper.take_error()):
            kept = fitting([error, *reversed(lines)])
            num_dropped += len(lines) + 1 - len(kept)
            lines = kept
        return Beat(
            state=state,
            pid=child.pid if child is not None else 0,
            rss_bytes=child.rss_bytes() if child is not None else 0,
            status=status,
            lines=lines,
            num_dropped=num_dropped,
            attempt=self.attempt,
            process=child.state() if child is not None else "",
            told_to_end="agent" if self.sigterm.has_come else "process" if self.has_told else "",
        )


@dataclasses.dataclass(frozen=True)
class _Lives:
    """What all node processes of an agent have in common."""

    task: AgentTask
    role: Role
    cluster: dict[str, list[str]]
    seat: TaskSlot
    link: Heartbeat
    watch: _Watch
    mark: str


def _live_on(lives: _Lives) -> None:
    """Starts node process after node process, as the driver orders, until it has no more use for this agent."""
    attempt: int | None = 0
    while attempt is not None:
        _live(lives, attempt)
        attempt = _next_attempt(lives, attempt)


def _next_attempt(lives: _Lives, attempt: int) -> int | None:
    """Waits for the driver's word to an end; None: this agent may go."""
    while True:
        if lives.link.lost:
            raise ChannelError(lives.link.lost)
        order = lives.link.order
        if order.order == "stop":
            return None
        if order.order == "restart" and order.attempt > attempt:
            return order.attempt
        time.sleep(_POLL_S)  # the link's own thread brings the order


def _live(lives: _Lives, attempt: int) -> None:
    """Starts a node process, watches it to its end, tells the driver how that was, and cleans up."""
    task, seat, watch = lives.task, lives.seat, lives.watch
    watch.begin(attempt)
    with contextlib.ExitStack() as stack:
        try:
            sweep(seat.scratch_root)
            folder = stack.enter_context(scratch_dir(seat.scratch_root))
            scratch, temporary = os.path.join(folder, "work"), os.path.join(folder, "tmp")
            os.mkdir(scratch)
            os.mkdir(temporary)
            params = json.loads(task.params)
            place = Placement(task.program, lives.cluster, params, task.generation, attempt, task.payload)
            child = stack.enter_context(Child(lives.role, place, scratch, temporary, seat.gpus, lives.mark))
        except OSError as err:
            watch.end()
            lives.link.tell(_end_without_process(err, attempt))
            return
        log = RoleLog(child.take_log_fd(), watch.keeper)
        stack.callback(log.close, _LOG_DRAIN_TIMEOUT_S)
        watch.begin(attempt, child, log)
        why_ended = _watch_node(child, lives.link, watch)
        child.kill()  # what the program started and left behind goes too
        log.close(_LOG_DRAIN_TIMEOUT_S)
        watch.end()
        if why_ended is not None:
            lives.link.tell(_end_of(child, watch, why_ended))  # before the cleaning up, which can take its time


def _watch_node(child: Child, link: Heartbeat, watch: _Watch) -> str | None:
    """Returns once the process is gone: "" if by itself, else why this agent ended it; None if it is to be replaced."""
    why, grace_s, deadline_s, is_asked, has_stacks = "", 0.0, float("inf"), False, False
    while True:
        is_running = child.is_running  # first, so that the last messages of an ended process are heard
        watch.hear(child.messages())
        if not is_running:
            return why
        if link.lost:
            child.kill()
            raise ChannelError(link.lost)
        order = link.order
        if order.order == "restart" and order.attempt > watch.attempt:
            child.kill()
            return None
        if order.order == "stacks" and order.attempt == watch.attempt and not has_stacks:
            child.ask_for_stacks()
            has_stacks = True
        if order.order == "stop" and why != _ORDERED:
            why, grace_s = _ORDERED, order.grace_s
            deadline_s = time.monotonic() + grace_s
        elif watch.sigterm.has_come and not why:  # the driver is told, and ends all roles in their order
            why, grace_s = _TOLD, _SIGTERM_GRACE_S
            deadline_s = time.monotonic() + grace_s
        if why == _ORDERED and watch.is_ready and not is_asked:
            child.ask_to_stop()  # not before it listens: the signal would be its death
            is_asked = True
        if time.monotonic() > deadline_s:
            child.kill()
            return f"{why}, and it did not end within {grace_s:.0f} s"
        child.wait(_ORDER_POLL_S)  # what the process says wakes it at once, the driver's orders are looked for


def _end_of(child: Child, watch: _Watch, why_ended: str) -> End:
    result, error = watch.outcome.get("result"), watch.outcome.get("error")
    is_good = isinstance(result, dict) and child.returncode == 0
    return End(
        returncode=child.returncode,
        result=result if is_good else None,
        error="" if is_good else str(error or why_ended)[: messages.MAX_SENTENCE_CHARS],
        error_kind=str(watch.outcome.get("error_kind", "")) if not is_good else "",
        tail=watch.tail,
        peak_rss_bytes=child.peak_rss_bytes,
        attempt=watch.attempt,
        was_running=watch.is_ready,
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
