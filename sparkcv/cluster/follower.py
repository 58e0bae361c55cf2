"""One launch of roles, followed from its start to its end."""

import logging
import re
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from sparkcv import logs
from sparkcv.cluster.board import Board, News, Seen
from sparkcv.cluster.channel import Server
from sparkcv.cluster.chatter import is_chatter
from sparkcv.cluster.launchers import Launch
from sparkcv.cluster.link import SILENCE_S
from sparkcv.cluster.topology import Role
from sparkcv.cluster.verdict import verdict
from sparkcv.errors import LaunchTimeoutError, SparkcvError

__all__ = ["Follower", "OnStatus"]

OnStatus = Callable[[Role, dict[str, Any]], None]

_POLL_S = 0.2
_SETTLE_S = 1.0  # the first news of a failure need not be of its cause: a worker can be faster than its dying ps
_HUNG_UP_S = 3.0  # an agent without a connection that does not come back in this time is lost
_FAILED_GRACE_S = 2.0
_END_TIMEOUT_S = 6.0
_JOIN_TIMEOUT_S = 10.0

_log = logs.get(__name__)
# What a node process logs has our own head already; the driver writes its own.
_OUR_LINE = re.compile(r"\d\d:\d\d:\d\d \S+ (debug|info|warning|error|critical) (.*)", re.DOTALL)


class Follower:
    """One launch, from its start to its end."""

    def __init__(
        self,
        board: Board,
        launch: Launch,
        server: Server,
        services: frozenset[str],
        on_status: OnStatus | None,
        start_timeout_s: float,
        service_grace_s: float,
    ):
        """Takes a launch that has just begun; the others are as ``supervisor.supervise`` describes them."""
        self._board, self._launch, self._server = board, launch, server
        self._services, self._on_status = services, on_status
        self._start_timeout_s, self._service_grace_s = start_timeout_s, service_grace_s
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
                self._board.order_stop(waiting, self._service_grace_s, "all others are done")

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
        return verdict([one for one in seen if self._has_failed(one)], self._launch)


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
