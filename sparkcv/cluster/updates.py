"""What roles say, brought to all that want it: the driver's log, the observer, the stall detector, the budgets."""

import logging
import re
import time
from collections.abc import Iterator

from sparkcv import logs
from sparkcv.cluster.generation import Generation
from sparkcv.cluster.observer import RunObserver
from sparkcv.cluster.stall_detector import StallDetector
from sparkcv.cluster.state import RoleState, RoleUpdate
from sparkcv.diagnosis.log_filter import is_noise
from sparkcv.roles import Role

__all__ = ["POLL_S", "Updates"]

POLL_S = 0.2
_SETTLE_S = 1.0  # the first word of a failure need not be of its cause: a worker can be faster than its dying ps

_log = logs.get(__name__)
# What a node process logs has our own head already; the driver writes its own.
_OUR_LINE = re.compile(r"\d\d:\d\d:\d\d \S+ (debug|info|warning|error|critical) (.*)", re.DOTALL)


class Updates:
    """Follows the messages of one generation."""

    def __init__(self, generation: Generation, detector: StallDetector, observer: RunObserver):
        self._generation, self._detector, self._observer = generation, detector, observer
        self._logged_attempts: dict[Role, int] = {}
        self.captured: dict[Role, list[str]] = {}  # log lines are kept here of the roles that stand in it

    def look(self) -> list[RoleState]:
        """Wait a moment for something new, pass it on, and return what is known of each role."""
        self._generation.state.wait(POLL_S)
        self._generation.server.check()
        self._observer.on_look()
        states = self._generation.state.look()
        for one in states:
            is_logged = self._logged_attempts.get(one.role) == one.attempt
            if one.is_running and one.pid and one.hello is not None and not is_logged:
                self._logged_attempts[one.role] = one.attempt
                _log.info("%s runs on host %s, process %d", one.role, one.hello.host, one.pid)
        self.publish()
        return states

    def settle(self) -> list[RoleState]:
        """Give the cause of a failure time to be heard of, and return what is known then."""
        settled_s = time.monotonic() + _SETTLE_S
        while time.monotonic() < settled_s:
            states = self.look()
        return states

    def mute(self) -> None:
        """Tell the observer nothing more: what a run says while it is brought down is for the log only."""
        self._observer = RunObserver()

    def publish(self) -> None:
        """Pass on what came since the last call."""
        for update in self._generation.state.take_updates():
            self._detector.hear_lines(update.role, update.lines, time.monotonic())
            if update.role in self.captured:
                self.captured[update.role] += update.lines
            for line in _lines(update):
                _log_of_role(update.role, line)
            if update.status is not None:
                if update.status.get("serves") is True:
                    self._generation.serving.add(update.role)
                self._generation.recovery.heard(update.role, update.status)
                self._detector.hear(update.role, update.status, time.monotonic())
                self._observer.on_status(update.role, update.status)


def _lines(update: RoleUpdate) -> Iterator[str]:
    if update.num_dropped:
        yield f"[{update.num_dropped} log lines are left out here]"
    yield from update.lines


def _log_of_role(role: Role, line: str) -> None:
    if is_noise(line):
        return
    ours = _OUR_LINE.fullmatch(line)
    level, text = (logging.getLevelName(ours[1].upper()), ours[2]) if ours else (logging.INFO, line)
    _log.log(level, "%s", text, extra={"role": str(role)})
