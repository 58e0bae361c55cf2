"""How a launch of roles ends: in good order when it is told to from outside, and surely, however its run went."""

import time
from collections.abc import Sequence
from typing import NoReturn

from sparkcv import logs
from sparkcv.cluster.first_failure import first_error
from sparkcv.cluster.generation import Generation
from sparkcv.cluster.state import RoleState
from sparkcv.cluster.updates import POLL_S, Updates
from sparkcv.errors import PreemptedError

__all__ = ["end", "save_and_end"]

_SAVE_GRACE_S = 30.0
_FAILED_GRACE_S = 2.0
_END_TIMEOUT_S = 6.0
_JOIN_TIMEOUT_S = 10.0

_log = logs.get(__name__)


def save_and_end(generation: Generation, updates: Updates, states: Sequence[RoleState], why: str) -> NoReturn:
    """End a run that was told to end from outside: workers first, which save, services last.

    ``why`` is the driver's own reason. Raises PreemptedError, or the report of the role that was told to end.
    """
    told = next((one for one in states if one.told_to_end), None)
    if told is not None:
        why = f"{told.role}: its {told.told_to_end} was told to end by SIGTERM"
    _log.warning("%s: the run is saved and ends, within %.0f s", why, _SAVE_GRACE_S)
    workers = [one.role for one in states if one.role.job not in generation.services]
    if generation.spec.policy.together:
        # The order comes with a beat, so to one earlier than to the other: a chief that steps together with who has
        # left already hangs in its last step, and saves nothing.
        workers = workers[:1]
    generation.state.order_stop(workers, _SAVE_GRACE_S, why)
    deadline_s = time.monotonic() + _SAVE_GRACE_S + _END_TIMEOUT_S
    while time.monotonic() < deadline_s:
        states = updates.look()
        if all(one.end is not None or generation.is_gone(one) for one in states if one.role in workers):
            break
    ended = [one for one in states if one.end is not None and one.end.error_kind == PreemptedError.__name__]
    if ended and ended[0].end is not None and told is None:
        raise PreemptedError(f"{why}; {ended[0].role}: {ended[0].end.error}")
    if ended:
        raise first_error(ended[:1], generation.launch)
    raise PreemptedError(f"{why}; the same command goes on from the newest checkpoint")


def end(generation: Generation, updates: Updates) -> None:
    """See to it that every role has ended: by asking, then by force. Nothing in here raises for a failed run."""
    state, launch = generation.state, generation.launch
    updates.mute()
    state.order_stop([one.role for one in state.look()], _FAILED_GRACE_S, "the run is over")
    deadline_s = time.monotonic() + _FAILED_GRACE_S + _END_TIMEOUT_S
    # An agent hangs up last, after its node process is gone and its folder removed; one that died hung up, too,
    # and Linux killed its node process. Spark's word that the stage is over comes earlier, and means less.
    while any(one.peer is not None for one in state.look()) and time.monotonic() < deadline_s:
        state.wait(POLL_S)
    have_all_ended = all(one.end is not None for one in state.look())
    if not launch.join(_END_TIMEOUT_S / 2 if have_all_ended else 0):
        launch.cancel()
    if not launch.join(_JOIN_TIMEOUT_S):
        _log.error("Spark did not end the tasks of the run within %.0f s", _JOIN_TIMEOUT_S)
    updates.publish()
