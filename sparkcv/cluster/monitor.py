"""One launch of roles, followed from its start to its end, and mended on the way as far as its policy goes."""

import dataclasses
import logging
import re
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

from sparkcv import logs
from sparkcv.channel.control import Server
from sparkcv.channel.heartbeat import SILENCE_S
from sparkcv.cluster.first_failure import stall_verdict, verdict
from sparkcv.cluster.recovery import GenerationLostError, Recovery, is_final, tell, who_restarts
from sparkcv.cluster.stall_detector import StallDetector
from sparkcv.cluster.state import News, RoleState, RunState
from sparkcv.diagnosis.log_filter import is_chatter
from sparkcv.diagnosis.slowness import STOPPED_STATES, Straggler
from sparkcv.errors import LaunchTimeoutError, PreemptedError, SparkcvError
from sparkcv.launchers import Launch
from sparkcv.roles import Role

__all__ = ["Monitor", "OnSlow", "OnStatus"]

OnStatus = Callable[[Role, dict[str, Any]], None]
OnSlow = Callable[[Sequence[Straggler]], None]

_POLL_S = 0.2
_SETTLE_S = 1.0  # the first news of a failure need not be of its cause: a worker can be faster than its dying ps
_HUNG_UP_S = 3.0  # an agent without a connection that does not come back in this time is lost
_SERVICE_GRACE_S = 10.0
_SAVE_GRACE_S = 30.0
_STACKS_S = 3.0  # a beat brings the order, another one the log lines;
_STACKS_MOST_S = 10.0  # where the host is busy that takes longer
_FAILED_GRACE_S = 2.0
_END_TIMEOUT_S = 6.0
_JOIN_TIMEOUT_S = 10.0

_log = logs.get(__name__)
# What a node process logs has our own head already; the driver writes its own.
_OUR_LINE = re.compile(r"\d\d:\d\d:\d\d \S+ (debug|info|warning|error|critical) (.*)", re.DOTALL)


class Monitor:
    """One launch, from its start to its end."""

    def __init__(
        self,
        board: RunState,
        launch: Launch,
        server: Server,
        recovery: Recovery,
        *,
        services: Collection[str],
        optional: Collection[str],
        on_status: OnStatus | None,
        on_slow: OnSlow | None,
        on_look: Callable[[], None] | None,
        start_timeout_s: float,
        optional_grace_s: float,
        why_preempted: Callable[[], str],
    ):
        """Takes a launch that has just begun; the others are as ``supervisor.supervise`` describes them."""
        self._board, self._launch, self._server, self._recovery = board, launch, server, recovery
        self._services, self._optional = frozenset(services) | frozenset(optional), frozenset(optional)
        self._on_status, self._on_slow, self._why_preempted = on_status, on_slow, why_preempted
        self._on_look = on_look
        self._start_timeout_s, self._optional_grace_s = start_timeout_s, optional_grace_s
        self._deadline_s = time.monotonic() + start_timeout_s
        self._said_running: dict[Role, int] = {}
        self._let_go: set[Role] = set()  # optional roles that are not started again
        self._serving: set[Role] = set()  # roles of other jobs that said that they serve
        policy = recovery.policy
        self._pace = StallDetector(
            policy.stall_timeout_s, first_step_s=policy.first_step_s, in_lockstep=policy.together
        )
        self._doubted: set[Role] = set()  # started again in place after a stall; what counts is whether they step now
        self._stacks: dict[Role, list[str]] = {}
        self._told_slow: set[Role] = set()

    def follow(self) -> dict[str, dict[str, Any]]:
        """Returns the results once all roles have ended well.

        Raises the report of the first that did not, PreemptedError, or GenerationLostError where only another launch
        can help.
        """
        while True:
            seen = self._look()
            has_failures = any(self._has_failed(one) for one in seen)
            if not has_failures and all(self._is_done(one) for one in seen):
                return {str(one.role): (one.end.result if one.end else None) or {} for one in seen}
            self._check_preempted(seen)
            if has_failures:
                self._recover()
                continue
            if self._launch.is_over():
                raise self._verdict() if self._launch.stopped() else GenerationLostError(self._verdict())
            self._check_started(seen)
            self._check_pace(seen)
            if all(one.end is not None for one in seen if not self._serves(one.role)):
                self._stop_services([one.role for one in seen], "all others are done")

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

    def _stop_services(self, roles: Collection[Role], reason: str) -> None:
        optional = [role for role in roles if role.job in self._optional]
        self._board.order_stop(optional, self._optional_grace_s, reason)
        self._board.order_stop([role for role in roles if self._serves(role)], _SERVICE_GRACE_S, reason)

    def _recover(self) -> None:
        """Answers failures: restarts in place what can be, or raises what ends this generation or the run."""
        seen = self._settle()
        failed = [one for one in seen if self._has_failed(one)]
        needed = [one for one in failed if one.role.job not in self._optional]
        if not needed:
            for one in failed:
                self._mend_optional(one)
            return
        if any(one.told_to_end for one in seen):
            return  # the next round ends the run in good order
        error = verdict(needed, self._launch)
        if isinstance(error, PreemptedError) or self._launch.stopped() or is_final(needed):
            raise error
        if any(one.end is None for one in needed) or self._is_place_in_doubt(needed):
            raise GenerationLostError(error)
        everybody = [one.role for one in seen if one.role.job not in self._optional]
        roles = who_restarts(needed, everybody, self._recovery.policy, self._services)
        self._restart(roles, self._recovery.in_place(error, roles))

    def _mend_optional(self, one: RoleState) -> None:
        error = verdict([one], self._launch)
        if one.end is not None and not is_final([one]) and self._recovery.optional.take(time.monotonic()):
            tell(error)
            self._restart([one.role], 0.0)
            return
        self._let_go.add(one.role)
        tell(error)
        _log.warning("the run goes on without %s", one.role)

    def _restart(self, roles: Sequence[Role], pause_s: float) -> None:
        """Orders node processes anew, after a pause in which everything is still heard."""
        resume_s = time.monotonic() + pause_s
        while time.monotonic() < resume_s and not self._why_preempted():
            self._look()
        self._board.order_restart(roles, "a role failed")
        for role in roles:
            self._pace.forget(role)
            self._serving.discard(role)
        self._doubted -= set(roles)
        self._deadline_s = time.monotonic() + self._start_timeout_s

    def _check_preempted(self, seen: Sequence[RoleState]) -> None:
        """Ends the run in good order if it was told to end from outside: workers first, which save, services last."""
        told = next((one for one in seen if one.told_to_end), None)
        why = self._why_preempted()
        if told is None and not why:
            return
        if told is not None:
            why = f"{told.role}: its {told.told_to_end} was told to end by SIGTERM"
        _log.warning("%s: the run is saved and ends, within %.0f s", why, _SAVE_GRACE_S)
        workers = [one.role for one in seen if one.role.job not in self._services]
        if self._recovery.policy.together:
            # The order comes with a beat, so to one earlier than to the other: a chief that steps together with who has
            # left already hangs in its last step, and saves nothing.
            workers = workers[:1]
        self._board.order_stop(workers, _SAVE_GRACE_S, why)
        deadline_s = time.monotonic() + _SAVE_GRACE_S + _END_TIMEOUT_S
        while time.monotonic() < deadline_s:
            seen = self._look()
            if all(one.end is not None or self._is_gone(one) for one in seen if one.role in workers):
                break
        ended = [one for one in seen if one.end is not None and one.end.error_kind == PreemptedError.__name__]
        if ended and ended[0].end is not None and told is None:
            raise PreemptedError(f"{why}; {ended[0].role}: {ended[0].end.error}")
        if ended:
            raise verdict(ended[:1], self._launch)
        raise PreemptedError(f"{why}; the same command goes on from the newest checkpoint")

    def _look(self) -> list[RoleState]:
        self._board.wait(_POLL_S)
        self._server.check()
        if self._on_look is not None:
            self._on_look()
        seen = self._board.look()
        for one in seen:
            is_told = self._said_running.get(one.role) == one.attempt
            if one.is_running and one.pid and one.hello is not None and not is_told:
                self._said_running[one.role] = one.attempt
                _log.info("%s runs on host %s, process %d", one.role, one.hello.host, one.pid)
        self._publish()
        return seen

    def _all_ended(self) -> bool:
        return all(one.end is not None for one in self._board.look())

    def _publish(self) -> None:
        for news in self._board.take_news():
            self._pace.hear_lines(news.role, news.lines, time.monotonic())
            if news.role in self._stacks:
                self._stacks[news.role] += news.lines
            for line in _lines(news):
                _log_of_role(news.role, line)
            if news.status is not None:
                if news.status.get("serves") is True:
                    self._serving.add(news.role)
                self._recovery.heard(news.role, news.status)
                self._pace.hear(news.role, news.status, time.monotonic())
                if self._on_status is not None:
                    self._on_status(news.role, news.status)

    def _check_started(self, seen: Sequence[RoleState]) -> None:
        late = [one for one in seen if not one.is_running and one.end is None and one.role.job not in self._optional]
        if not late or time.monotonic() < self._deadline_s:
            return
        where = ", ".join(
            f"{one.role} (no Spark task)" if one.hello is None else f"{one.role} (loading on {one.hello.host})"
            for one in late
        )
        raise LaunchTimeoutError(
            f"{len(seen) - len(late)} of {len(seen)} roles ran within {self._start_timeout_s:.0f} s; missing: {where}"
        )

    def _check_pace(self, seen: Sequence[RoleState]) -> None:
        """Tells of roles that are slow, and answers those that take no steps any more as if they had died."""
        now_s = time.monotonic()
        if not self._recovery.policy.stall_timeout_s:
            return
        for one in seen:
            if one.role.job in self._optional or one.end is not None or not one.is_running:
                self._pace.forget(one.role)
                continue
            self._pace.note_state(one.role, one.process, now_s)
            if one.role.job not in self._services:
                self._pace.watch(one.role, now_s)
        self._tell_slow(now_s)
        if self._pace.stalled(now_s) and not any(map(self._board.is_stopping, (one.role for one in seen))):
            self._recover_stalled()

    def _tell_slow(self, now_s: float) -> None:
        found, recovered = self._pace.stragglers(now_s), self._pace.recovered()
        for straggler in found:
            _log.warning("%s", straggler)
        for straggler in recovered:
            _log.info("%s keeps pace again: %.3g steps/s", straggler.role, straggler.steps_per_s)
        slow = self._pace.slow
        if {one.role for one in slow} != self._told_slow and self._on_slow is not None:
            self._on_slow(slow)
        self._told_slow = {one.role for one in slow}  # one that is restarted is slow no more, too

    def _recover_stalled(self) -> None:
        """Asks the stalled roles where they stand, and starts them again; all, if none of the others gets on either."""
        asked = self._pace.stalled(time.monotonic())
        # One that is stopped is woken to answer, and may go on: what it was until now is what counts.
        states = {one.role: one.process for one in self._board.look()}
        stopped = {role for role in asked if states[role] in STOPPED_STATES}
        silences = {role: self._pace.silence(role, time.monotonic()) for role in asked}
        self._stacks = {role: [] for role in asked}
        self._board.order_stacks(asked)
        begin_s = now_s = time.monotonic()
        while now_s - begin_s < (_STACKS_S if all(self._stacks.values()) else _STACKS_MOST_S):
            seen = self._look()
            now_s = time.monotonic()
        stacks, self._stacks = self._stacks, {}
        still = stopped | set(self._pace.stalled(now_s)) & set(asked)
        stalled = [one for one in seen if one.role in still]
        if not stalled or any(self._has_failed(one) for one in seen):
            return
        first = stalled[0]
        first = dataclasses.replace(first, process=states[first.role])
        error = stall_verdict(first, silences[first.role], stacks[first.role], self._launch)
        everybody = [one.role for one in seen if one.role.job not in self._optional]
        workers = [role for role in everybody if role.job not in self._services]
        roles = who_restarts(stalled, everybody, self._recovery.policy, self._services)
        if set(workers) <= set(roles) and first.role not in stopped:
            roles = everybody  # it is likelier that the ps stand still
        if self._is_place_in_doubt(stalled):
            raise GenerationLostError(error)
        self._restart(roles, self._recovery.in_place(error, roles))
        self._doubted |= set(roles)

    def _is_place_in_doubt(self, failed: Sequence[RoleState]) -> bool:
        """Whether one that had stood still took no step after its restart either: its host or a link is at fault."""
        again = [one.role for one in failed if one.role in self._doubted and not self._pace.has_stepped(one.role)]
        return bool(again) and self._recovery.policy.max_generations > 0

    def _has_failed(self, one: RoleState) -> bool:
        if one.role in self._let_go:
            return False
        if one.end is not None:
            is_service = self._serves(one.role)
            if is_service and self._board.is_stopping(one.role):
                return False  # it was asked to end; how it did so changes nothing for the others
            return one.end.result is None or is_service
        return self._is_gone(one) and not self._is_done(one)

    def _serves(self, role: Role) -> bool:
        return role.job in self._services or role in self._serving

    def _is_done(self, one: RoleState) -> bool:
        """Whether nothing more is to come from the role; a service that was asked to stop may also just vanish."""
        is_let_go = self._serves(one.role) and self._board.is_stopping(one.role)
        return one.end is not None or one.role in self._let_go or (is_let_go and self._is_gone(one))

    def _is_gone(self, one: RoleState) -> bool:
        now_s = time.monotonic()
        is_away = one.hung_up_s is not None and (now_s - one.hung_up_s > _HUNG_UP_S or self._launch.is_over())
        return is_away or (one.contact_s is not None and now_s - one.contact_s > SILENCE_S)

    def _settle(self) -> list[RoleState]:
        """Gives the cause of a failure time to be heard of, and returns what is known then."""
        settled_s = time.monotonic() + _SETTLE_S
        while time.monotonic() < settled_s:
            seen = self._look()
        return seen

    def _verdict(self) -> SparkcvError:
        """The error of the failure that came first, once there was time for its cause to be heard of."""
        return verdict([one for one in self._settle() if self._has_failed(one)], self._launch)


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
