"""The agent: the light Spark task beside each role's node process, without TensorFlow.

It holds the role's port, exchanges addresses with the other agents, starts the node process, watches it, tells the
driver, and takes the node process along when it ends itself, in whichever way.
"""

import contextlib
import dataclasses
import json
import os
import secrets
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

from sparkcv import storage
from sparkcv.cluster import messages
from sparkcv.cluster.child import Child
from sparkcv.cluster.launchers import Seat
from sparkcv.cluster.link import Link
from sparkcv.cluster.messages import Beat, End, Hello
from sparkcv.cluster.ports import hold_port
from sparkcv.cluster.rolelog import LogKeeper, RoleLog
from sparkcv.cluster.scratch import scratch_dir, sweep
from sparkcv.cluster.topology import Role, cluster_of
from sparkcv.config.port_range import ANY_PORT, PortRange
from sparkcv.errors import ChannelError

__all__ = ["AgentTask", "log_name", "run_agent"]

_POLL_S = 0.1
_LOG_DRAIN_TIMEOUT_S = 2.0
_LOG_KEEP_TIMEOUT_S = 5.0
_SIGTERM_GRACE_S = 10.0


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
    """

    driver: tuple[str, int]
    secret: bytes = dataclasses.field(repr=False)
    generation: int
    roles: tuple[str, ...]
    program: str
    params: str
    log_url: str
    ports: PortRange = ANY_PORT


def log_name(role: Role) -> str:
    """File name of a role's whole log, ``worker-1.log``: HDFS allows no colon in a path."""
    return f"{role.job}-{role.index}.log"


def run_agent(task: AgentTask, seat: Seat) -> None:
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
    watch = _Watch()
    with (
        _sigterm_noted(watch),
        Link(task.driver, task.secret, hello, watch.beat) as link,
        hold_port(task.ports) as port,
    ):
        addresses = seat.exchange(f"{seat.host}:{port}")
        cluster = cluster_of([(Role.parse(name), addresses[at]) for at, name in enumerate(task.roles)])
        _run_node(task, role, cluster, seat, link, watch)


class _Watch:
    """What the agent knows of its node process, shared between its main thread and the beating one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.child: Child | None = None
        self.log: RoleLog | None = None
        self.keeper: LogKeeper | None = None
        self.is_ready = False
        self.got_sigterm = False
        self.outcome: dict[str, Any] = {}
        self._status: dict[str, Any] | None = None

    def hear(self, said: list[dict[str, Any]]) -> None:
        """Notes the node process's messages; of several statuses the newest counts."""
        for message in said:
            if "ready" in message:
                self.is_ready = True
            elif isinstance(message.get("status"), dict):
                with self._lock:
                    self._status = message["status"]
            else:
                self.outcome = message

    def beat(self) -> Beat:
        """The next beat; its log lines and status are new ones."""
        with self._lock:
            status, self._status = self._status, None
        lines, num_dropped = self.log.take_live() if self.log is not None else ([], 0)
        if self.keeper is not None and (error := self.keeper.take_error()):
            num_dropped += len(lines)
            lines = [error]  # said once; the lines that it displaces may be too many to go with it
        return Beat(
            state="running" if self.is_ready else "starting",
            pid=self.child.pid if self.child is not None else 0,
            rss_bytes=self.child.rss_bytes() if self.child is not None else 0,
            status=status,
            lines=lines,
            num_dropped=num_dropped,
        )


def _run_node(
    task: AgentTask, role: Role, cluster: dict[str, list[str]], seat: Seat, link: Link, watch: _Watch
) -> None:
    """Starts the node process, watches it to its end, tells the driver how that was, and cleans up."""
    with contextlib.ExitStack() as stack:
        try:
            sweep(seat.scratch_root)
            folder = stack.enter_context(scratch_dir(seat.scratch_root))
            scratch, temporary = os.path.join(folder, "work"), os.path.join(folder, "tmp")
            os.mkdir(scratch)
            os.mkdir(temporary)
            params = json.loads(task.params)
            child = stack.enter_context(Child(role, task.program, cluster, params, scratch, temporary, seat.gpus))
        except OSError as err:
            link.end(_end_without_process(err))
            return
        keeper = LogKeeper(storage.join(task.log_url, log_name(role))) if task.log_url else None
        log = RoleLog(child.take_log_fd(), keeper)
        stack.callback(_close_logs, log, keeper)
        watch.log, watch.keeper, watch.child = log, keeper, child
        why_ended = _watch_node(child, link, watch)
        child.kill()  # what the program started and left behind goes too
        log.close(_LOG_DRAIN_TIMEOUT_S)
        link.end(_end_of(child, watch, log, why_ended))  # before the cleaning up, which can take its time


def _close_logs(log: RoleLog, keeper: LogKeeper | None) -> None:
    log.close(_LOG_DRAIN_TIMEOUT_S)
    if keeper is not None:
        keeper.close(log.tail(), _LOG_KEEP_TIMEOUT_S)


def _watch_node(child: Child, link: Link, watch: _Watch) -> str:
    """Returns once the process is gone: "" if it ended by itself, else why this agent ended it."""
    why, grace_s, deadline_s, is_asked = "", 0.0, float("inf"), False
    while True:
        is_running = child.is_running  # first, so that the last messages of an ended process are heard
        watch.hear(child.messages())
        if not is_running:
            return why
        if link.lost:
            child.kill()
            raise ChannelError(link.lost)
        if not why and (watch.got_sigterm or link.order.order == "stop"):
            why = "its agent was told to end by SIGTERM" if watch.got_sigterm else "the driver ended the run"
            grace_s = _SIGTERM_GRACE_S if watch.got_sigterm else link.order.grace_s
            deadline_s = time.monotonic() + grace_s
        if why and watch.is_ready and not is_asked:
            child.terminate()  # not before it listens: SIGTERM would be its death
            is_asked = True
        if time.monotonic() > deadline_s:
            child.kill()
            return f"{why}, and it did not end within {grace_s:.0f} s"
        time.sleep(_POLL_S)  # watching a process, a socket and the link in turn


def _end_of(child: Child, watch: _Watch, log: RoleLog, why_ended: str) -> End:
    result, error = watch.outcome.get("result"), watch.outcome.get("error")
    is_good = isinstance(result, dict) and child.returncode == 0 and not watch.got_sigterm
    return End(
        returncode=child.returncode,
        result=result if is_good else None,
        error="" if is_good else str(error or why_ended)[: messages.MAX_SENTENCE_CHARS],
        error_kind=str(watch.outcome.get("error_kind", "")) if not is_good else "",
        tail=log.tail(),
        peak_rss_bytes=child.peak_rss_bytes,
    )


def _end_without_process(err: OSError) -> End:
    return End(
        returncode=None,
        result=None,
        error=f"its process cannot be started: {err}"[: messages.MAX_SENTENCE_CHARS],
        error_kind="",
        tail=[],
        peak_rss_bytes=0,
    )


@contextlib.contextmanager
def _sigterm_noted(watch: _Watch) -> Iterator[None]:
    """Turns SIGTERM into an orderly end of the node process; Spark's default would leave it no moment."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def note(number: int, frame: object) -> None:
        del number, frame
        watch.got_sigterm = True

    before = signal.signal(signal.SIGTERM, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
