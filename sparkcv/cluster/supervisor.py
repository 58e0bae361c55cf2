"""The driver's side of a run of roles: launches them, follows them, and says truthfully how it ended."""

import dataclasses
import functools
import json
import logging
import re
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sparkcv import errors, logs, storage
from sparkcv.cluster import diagnosis
from sparkcv.cluster.agent import AgentTask, run_agent
from sparkcv.cluster.board import Board, News, Seen
from sparkcv.cluster.channel import Server, new_secret
from sparkcv.cluster.chatter import is_chatter
from sparkcv.cluster.diagnosis import Failure
from sparkcv.cluster.launchers import Launch, Launcher
from sparkcv.cluster.launchers.barrier import BarrierLauncher
from sparkcv.cluster.link import SILENCE_S
from sparkcv.cluster.messages import End
from sparkcv.cluster.node import split_program
from sparkcv.cluster.topology import Role, cluster_of
from sparkcv.errors import ClusterError, LaunchTimeoutError, RoleFailedError, SparkcvError, UsageError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["OnStatus", "run", "supervise"]

OnStatus = Callable[[Role, dict[str, Any]], None]

_POLL_S = 0.2
_SETTLE_S = 1.0  # the first news of a failure need not be of its cause: a worker can be faster than its dying ps
_HUNG_UP_S = 3.0  # an agent without a connection that does not come back in this time is lost
_LOSS_REASON_S = 3.0  # Spark learns of a dead executor a moment after we do
_SERVICE_GRACE_S = 10.0
_FAILED_GRACE_S = 2.0
_END_TIMEOUT_S = 6.0
_JOIN_TIMEOUT_S = 10.0

_log = logs.get(__name__)
# What a node process logs has our own head already; the driver writes its own.
_OUR_LINE = re.compile(r"\d\d:\d\d:\d\d \S+ (debug|info|warning|error|critical) (.*)", re.DOTALL)


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
        follower = _Follower(board, launch, server, frozenset(services), on_status, start_timeout_s)
        try:
            return follower.follow()
        finally:
            follower.end()


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
                f"{timeout_s:.0f} s: the cluster did not grant the rest; wait, or use fewer ps and workers"
            )
        time.sleep(_POLL_S)  # executors register when the cluster manager has room: there is nothing to wait on


class _Follower:
    """One launch, from its start to its end."""

    def __init__(
        self,
        board: Board,
        launch: Launch,
        server: Server,
        services: frozenset[str],
        on_status: OnStatus | None,
        start_timeout_s: float,
    ):
        self._board, self._launch, self._server = board, launch, server
        self._services, self._on_status = services, on_status
        self._start_timeout_s = start_timeout_s
        self._deadline_s = time.monotonic() + start_timeout_s
        self._said_running: set[Role] = set()

    def follow(self) -> dict[str, dict[str, Any]]:
        """Returns the results once all roles have ended well; raises the report of the first that did not."""
        while True:
            seen = self._look()
            if any(self._has_failed(one) for one in seen):
                raise self._verdict()
            if all(self._is_done(one) for one in seen):
                return {str(one.role): (one.end.result if one.end else None) or {} for one in seen}
            if self._launch.is_over():
                raise self._verdict()
            self._check_started(seen)
            if all(one.end is not None for one in seen if one.role.job not in self._services):
                waiting = [one.role for one in seen if one.role.job in self._services]
                self._board.order_stop(waiting, _SERVICE_GRACE_S, "all others are done")

    def end(self) -> None:
        """Sees to it that every role has ended: by asking, then by force. Nothing in here raises for a failed run."""
        self._on_status = None  # what a run says while it is brought down is for the log only
        self._board.order_stop([one.role for one in self._board.look()], _FAILED_GRACE_S, "the run is over")
        deadline_s = time.monotonic() + _FAILED_GRACE_S + _END_TIMEOUT_S
        # An agent hangs up last, after its node process is gone and its folder removed; one that died hung up, too,
        # and Linux killed its node process. Spark's word that the stage is over comes earlier, and means less.
        while any(one.peer is not None for one in self._board.look()) and time.monotonic() < deadline_s:
            self._board.wait(_POLL_S)
        if not self._launch.join(_END_TIMEOUT_S / 2 if self._all_ended() else 0):
            self._launch.cancel()
        if not self._launch.join(_JOIN_TIMEOUT_S):
            _log.error("Spark did not end the tasks of the run within %.0f s", _JOIN_TIMEOUT_S)
        self._publish()

    def _look(self) -> list[Seen]:
        self._board.wait(_POLL_S)
        self._server.check()
        seen = self._board.look()
        for one in seen:
            if one.is_running and one.role not in self._said_running and one.hello is not None:
                self._said_running.add(one.role)
                _log.info("%s runs on host %s, process %d", one.role, one.hello.host, one.pid)
        self._publish()
        return seen

    def _all_ended(self) -> bool:
        return all(one.end is not None for one in self._board.look())

    def _publish(self) -> None:
        for news in self._board.take_news():
            for line in _lines(news):
                _log_of_role(news.role, line)
            if news.status is not None and self._on_status is not None:
                self._on_status(news.role, news.status)

    def _check_started(self, seen: Sequence[Seen]) -> None:
        late = [one for one in seen if not one.is_running and one.end is None]
        if not late or time.monotonic() < self._deadline_s:
            return
        where = ", ".join(
            f"{one.role} (no Spark task)" if one.hello is None else f"{one.role} (loading on {one.hello.host})"
            for one in late
        )
        raise LaunchTimeoutError(
            f"{len(seen) - len(late)} of {len(seen)} roles ran within {self._start_timeout_s:.0f} s; missing: {where}"
        )

    def _has_failed(self, one: Seen) -> bool:
        if one.end is not None:
            is_service = one.role.job in self._services
            if is_service and self._board.is_stopping(one.role):
                return False  # it was asked to end; how it did so changes nothing for the others
            return one.end.result is None or is_service
        return self._is_gone(one) and not self._is_done(one)

    def _is_done(self, one: Seen) -> bool:
        """Whether nothing more is to come from the role; a service that was asked to stop may also just vanish."""
        is_let_go = one.role.job in self._services and self._board.is_stopping(one.role)
        return one.end is not None or (is_let_go and self._is_gone(one))

    def _is_gone(self, one: Seen) -> bool:
        now_s = time.monotonic()
        is_away = one.hung_up_s is not None and (now_s - one.hung_up_s > _HUNG_UP_S or self._launch.is_over())
        return is_away or (one.contact_s is not None and now_s - one.contact_s > SILENCE_S)

    def _verdict(self) -> SparkcvError:
        """The error of the failure that came first, once there was time for its cause to be heard of."""
        settled_s = time.monotonic() + _SETTLE_S
        while time.monotonic() < settled_s:
            seen = self._look()
        failed = sorted((one for one in seen if self._has_failed(one)), key=_blame)
        if not failed:
            return ClusterError(f"Spark ended the run: {self._launch.error() or 'its tasks ended without a word'}")
        first, *others = failed
        failure = dataclasses.replace(self._failure(first), also=[one.role for one in others])
        text = diagnosis.report(failure)
        kind = getattr(errors, failure.kind, None)
        if kind is errors.UsageError or kind is errors.PreemptedError:
            told: SparkcvError = kind(text)
            return told
        return RoleFailedError(text)

    def _failure(self, one: Seen) -> Failure:
        hello, end = one.hello, one.end
        failure = Failure(
            role=one.role,
            sentence=f"{one.role} failed",
            host=hello.host if hello else "",
            place=self._launch.place(hello.task) if hello else "",
            pid=one.pid,
            peak_rss_bytes=one.peak_rss_bytes,
            tail=end.tail if end else one.tail,
        )
        if end is None:
            return dataclasses.replace(failure, sentence=self._loss_sentence(one))
        sentence = end.error if end.error and end.error_kind else _end_sentence(one.role, end)
        return dataclasses.replace(failure, sentence=sentence, kind=end.error_kind, returncode=end.returncode)

    def _loss_sentence(self, one: Seen) -> str:
        host = one.hello.host if one.hello else ""
        if one.hung_up_s is None:
            return f"{one.role}: its agent on {host} has been silent for {SILENCE_S:.0f} s"
        reason, deadline_s = "", time.monotonic() + _LOSS_REASON_S
        while not reason and one.hello and time.monotonic() < deadline_s:
            reason = self._launch.loss(one.hello.task)
            if not reason:
                self._board.wait(_POLL_S)
        if reason:
            return f"{one.role} was lost with its Spark executor on {host}: {reason}"
        return f"{one.role} was lost: its agent, the Spark task's Python process on {host}, died"


def _blame(one: Seen) -> tuple[int, float]:
    """Killed and lost roles come before those that raised an error, which may be about the others' death."""
    if one.end is None:
        return 0, one.hung_up_s or one.contact_s or 0.0
    was_killed = one.end.returncode is not None and one.end.returncode < 0
    return 0 if was_killed else 1, one.end_s or 0.0


def _end_sentence(role: Role, end: End) -> str:
    if end.error:
        return f"{role}: {end.error}"
    if end.returncode is None:
        return f"{role} ended for an unknown reason"
    if end.returncode < 0:
        return f"{role} was killed by signal {diagnosis.signal_name(-end.returncode)}"
    if end.result is not None:
        return f"{role} is a service and ended before it was asked to"
    if end.returncode == 0:
        return f"{role} ended with exit code 0 before its program returned a result"
    return f"{role} ended with exit code {end.returncode}"


def _lines(news: News) -> Iterator[str]:
    if news.num_dropped:
        yield f"[{news.num_dropped} log lines are left out here]"
    yield from news.lines


def _log_of_role(role: Role, line: str) -> None:
    if is_chatter(line):
        return
    ours = _OUR_LINE.fullmatch(line)
    level, text = (logging.getLevelName(ours[1].upper()), ours[2]) if ours else (logging.INFO, line)
    _log.log(level, "%s", text, extra={"role": str(role)})
