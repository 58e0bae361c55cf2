"""Roles that run and take no steps: they are asked where they stand, and chosen to be started again as if dead."""

import dataclasses
import time
from collections.abc import Collection, Sequence

from sparkcv import logs
from sparkcv.cluster.first_failure import stall_error
from sparkcv.cluster.generation import Generation
from sparkcv.cluster.link_check import WHOLE
from sparkcv.cluster.observer import RunObserver
from sparkcv.cluster.recovery import who_restarts
from sparkcv.cluster.stall_detector import StallDetector
from sparkcv.cluster.state import RoleState
from sparkcv.cluster.updates import Updates
from sparkcv.diagnosis.slowness import STOPPED_STATES
from sparkcv.errors import RoleFailedError
from sparkcv.roles import Role

__all__ = ["Stall", "StallRecovery"]

_STACKS_S = 3.0  # a beat brings the order, another one the log lines;
_STACKS_MOST_S = 10.0  # where the host is busy that takes longer

_log = logs.get(__name__)


@dataclasses.dataclass(frozen=True)
class Stall:
    """Roles that are stalled: the report of the first of them, and which roles are to start again."""

    error: RoleFailedError
    stalled: Sequence[RoleState]
    restart: Sequence[Role]


class StallRecovery:
    """Tells of roles that are slow, and finds those that take no steps any more."""

    def __init__(self, generation: Generation, updates: Updates, detector: StallDetector, observer: RunObserver):
        self._generation, self._updates, self._detector = generation, updates, detector
        self._observer = observer
        self._suspects: set[Role] = set()  # started again in place after a stall; what counts is if they step now
        self._told_slow: set[Role] = set()

    def check(self, states: Sequence[RoleState]) -> Stall | None:
        """Return the roles that are stalled; None if none is, or if a stop is on its way already."""
        now_s = time.monotonic()
        if not self._generation.spec.policy.stall_timeout_s:
            return None
        for one in states:
            if self._generation.is_optional(one.role) or one.end is not None or not one.is_running:
                self._detector.forget(one.role)
                continue
            self._detector.note_state(one.role, one.process, now_s)
            if one.role.job not in self._generation.services:
                self._detector.watch(one.role, now_s)
        self._tell_slow(now_s)
        if not self._detector.stalled(now_s):
            return None
        is_stopping = any(self._generation.state.is_stopping(one.role) for one in states)
        return None if is_stopping else self._find()

    def note_restart(self, roles: Collection[Role], *, is_for_stall: bool) -> None:
        """Forget what is known of roles that start again, but whether it was for a stall."""
        for role in roles:
            self._detector.forget(role)
        self._suspects = self._suspects | set(roles) if is_for_stall else self._suspects - set(roles)

    def is_place_in_doubt(self, failed: Sequence[RoleState]) -> bool:
        """Return whether a host or a link is at fault, of which a restart in place would mend nothing.

        It is so if one does not reach its servers, or was stalled and took no step after its restart either.
        """
        again = [one.role for one in failed if one.role in self._suspects and not self._detector.has_stepped(one.role)]
        again += [one.role for one in failed if one.end is None and one.links not in ("", WHOLE)]
        return bool(again) and self._generation.spec.policy.max_generations > 0

    def _tell_slow(self, now_s: float) -> None:
        found, recovered = self._detector.stragglers(now_s), self._detector.recovered()
        for straggler in found:
            _log.warning("%s", straggler)
        for straggler in recovered:
            _log.info("%s keeps pace again: %.3g steps/s", straggler.role, straggler.steps_per_s)
        slow = self._detector.slow
        roles = {one.role for one in slow}  # without one that is restarted, which is slow no more, too
        if roles != self._told_slow:
            self._observer.on_slow(slow)
        self._told_slow = roles

    def _find(self) -> Stall | None:
        """Ask the stalled roles for their stacks; all are to start again if none of the others gets on either."""
        asked = self._detector.stalled(time.monotonic())
        # One that is stopped is woken to answer, and may go on: what it was until now is what counts.
        processes = {one.role: one.process for one in self._generation.state.look()}
        stopped = {role for role in asked if processes[role] in STOPPED_STATES}
        silences = {role: self._detector.silence(role, time.monotonic()) for role in asked}
        states, stacks = self._ask_for_stacks(asked)
        still = stopped | set(self._detector.stalled(time.monotonic())) & set(asked)
        stalled = [one for one in states if one.role in still]
        if not stalled or any(self._generation.has_failed(one) for one in states):
            return None
        first = dataclasses.replace(stalled[0], process=processes[stalled[0].role])
        for one in stalled:
            if one.links not in ("", WHOLE):
                _log.warning("%s: %s does not answer from there: the link between the two is cut", one.role, one.links)
        error = stall_error(first, silences[first.role], stacks[first.role], self._generation.launch)
        everybody, services = self._generation.needed(states), self._generation.services
        workers = [role for role in everybody if role.job not in services]
        roles = who_restarts(stalled, everybody, self._generation.spec.policy, services)
        if set(workers) <= set(roles) and first.role not in stopped:
            roles = everybody  # it is likelier that the ps stand still
        return Stall(error, stalled, roles)

    def _ask_for_stacks(self, roles: Sequence[Role]) -> tuple[list[RoleState], dict[Role, list[str]]]:
        """Return the newest states, and the log lines that came of each of ``roles`` since it was asked."""
        stacks: dict[Role, list[str]] = {role: [] for role in roles}
        self._updates.captured = stacks
        self._generation.state.order_stacks(roles)
        begin_s = now_s = time.monotonic()
        is_answered = False
        while now_s - begin_s < (_STACKS_S if is_answered else _STACKS_MOST_S):
            states = self._updates.look()
            is_answered = all(stacks.values()) and all(one.links for one in states if one.role in stacks)
            now_s = time.monotonic()
        self._updates.captured = {}
        self._generation.state.end_stacks(roles)
        return states, stacks
