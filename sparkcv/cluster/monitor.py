"""One launch of roles, followed from its start to its end: failures are answered as far as the policy goes."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from sparkcv import logs
from sparkcv.cluster import ending
from sparkcv.cluster.first_failure import first_error
from sparkcv.cluster.generation import Generation
from sparkcv.cluster.observer import RunObserver
from sparkcv.cluster.recovery import GenerationLostError, is_final, tell, who_restarts
from sparkcv.cluster.stall_detector import StallDetector
from sparkcv.cluster.stall_recovery import StallRecovery
from sparkcv.cluster.state import RoleState
from sparkcv.cluster.updates import Updates
from sparkcv.errors import LaunchTimeoutError, PreemptedError, SparkcvError
from sparkcv.roles import Role

__all__ = ["Monitor"]

_log = logs.get(__name__)


class Monitor:
    """One launch, from its start to its end."""

    def __init__(self, generation: Generation, observer: RunObserver, why_preempted: Callable[[], str]):
        """Take a launch that has just begun; ``why_preempted`` says why the driver has to end, "" while it need not."""
        self._generation, self._why_preempted = generation, why_preempted
        policy = generation.spec.policy
        detector = StallDetector(policy.stall_timeout_s, first_step_s=policy.first_step_s, in_lockstep=policy.together)
        self._updates = Updates(generation, detector, observer)
        self._stalls = StallRecovery(generation, self._updates, detector, observer)
        self._deadline_s = time.monotonic() + generation.spec.start_timeout_s

    def follow(self) -> dict[str, dict[str, Any]]:
        """Return the results once all roles have ended well.

        Raises the report of the first that did not, PreemptedError, or GenerationLostError where only another launch
        can help.
        """
        run = self._generation
        while True:
            states = self._updates.look()
            has_failures = any(run.has_failed(one) for one in states)
            if not has_failures and all(run.is_done(one) for one in states):
                return {str(one.role): (one.end.result if one.end else None) or {} for one in states}
            self._check_preempted(states)
            if has_failures:
                self._recover()
                continue
            if run.launch.is_over():
                raise self._launch_error() if run.launch.stopped() else GenerationLostError(self._launch_error())
            self._check_started(states)
            self._check_stalls(states)
            if all(one.end is not None for one in states if not run.serves(one.role)):
                run.stop_services([one.role for one in states], "all others are done")

    def end(self) -> None:
        """See to it that every role has ended."""
        ending.end(self._generation, self._updates)

    def _recover(self) -> None:
        """Answer failures: restart in place what can be, or raise what ends this generation or the run."""
        noticed_s = time.monotonic()
        run, states = self._generation, self._updates.settle()
        failed = [one for one in states if run.has_failed(one)]
        needed = [one for one in failed if not run.is_optional(one.role)]
        if not needed:
            for one in failed:
                self._recover_optional(one)
            return
        if any(one.told_to_end for one in states):
            return  # the next round ends the run in good order
        error = first_error(needed, run.launch)
        if isinstance(error, PreemptedError) or run.launch.stopped() or is_final(needed):
            raise error
        if any(one.end is None for one in needed) or self._stalls.is_place_in_doubt(needed):
            raise GenerationLostError(error)
        roles = who_restarts(needed, run.needed(states), run.spec.policy, run.services)
        pause_s = run.recovery.in_place(error, roles)
        self._restart(roles, pause_s - (time.monotonic() - noticed_s))

    def _recover_optional(self, one: RoleState) -> None:
        """Start an optional role again, or give it up: its failure never ends the run."""
        run = self._generation
        error = first_error([one], run.launch)
        if one.end is not None and not is_final([one]) and run.recovery.optional.take(time.monotonic()):
            tell(error)
            self._restart([one.role], 0.0)
            return
        run.abandoned.add(one.role)
        tell(error)
        _log.warning("the run goes on without %s", one.role)

    def _check_stalls(self, states: Sequence[RoleState]) -> None:
        """Answer roles that take no steps any more as if they had died."""
        stall = self._stalls.check(states)
        if stall is None:
            return
        if self._stalls.is_place_in_doubt(stall.stalled):
            raise GenerationLostError(stall.error)
        pause_s = self._generation.recovery.in_place(stall.error, stall.restart)
        self._restart(stall.restart, pause_s, is_for_stall=True)

    def _restart(self, roles: Sequence[Role], pause_s: float, *, is_for_stall: bool = False) -> None:
        """Order node processes anew, after a pause in which everything is still heard."""
        resume_s = time.monotonic() + pause_s
        while time.monotonic() < resume_s and not self._why_preempted():
            self._updates.look()
        self._generation.state.order_restart(roles, "a role failed")
        self._generation.serving.difference_update(roles)
        self._stalls.note_restart(roles, is_for_stall=is_for_stall)
        self._deadline_s = time.monotonic() + self._generation.spec.start_timeout_s

    def _check_preempted(self, states: Sequence[RoleState]) -> None:
        why = self._why_preempted()
        if why or any(one.told_to_end for one in states):
            ending.save_and_end(self._generation, self._updates, states, why)

    def _check_started(self, states: Sequence[RoleState]) -> None:
        late = [one for one in states if not one.is_running and one.end is None]
        late = [one for one in late if not self._generation.is_optional(one.role)]
        if not late or time.monotonic() < self._deadline_s:
            return
        where = ", ".join(
            f"{one.role} (no Spark task)" if one.hello is None else f"{one.role} (loading on {one.hello.host})"
            for one in late
        )
        raise LaunchTimeoutError(
            f"{len(states) - len(late)} of {len(states)} roles ran within "
            f"{self._generation.spec.start_timeout_s:.0f} s; missing: {where}"
        )

    def _launch_error(self) -> SparkcvError:
        """Return the error of the failure that came first, once there was time for its cause to be heard of."""
        failed = [one for one in self._updates.settle() if self._generation.has_failed(one)]
        return first_error(failed, self._generation.launch)
