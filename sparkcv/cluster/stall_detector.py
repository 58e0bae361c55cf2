"""Which roles have stopped taking steps, and which take them far slower than the others.

It only reckons with what it is told, at times that it is told: no threads, no clock, no waiting.
"""

import collections
import dataclasses
import re
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from sparkcv.diagnosis.slowness import STOPPED_STATES, Silence, Straggler
from sparkcv.roles import Role

__all__ = ["StallDetector"]

SAVING_S = 600.0  # a save may take so long before the next step, on storage that is waited for
_STORAGE_WAIT = re.compile(r"waiting up to \d+ s more")  # sparkcv.storage says so every 10 s
_STORAGE_WAIT_S = 30.0

SLOW_SHARE = 0.5  # of the others' median rate: below is slow,
SLOW_FLOORS = 0.75  # if it lasts for so much of the floor: longer than a stop of half of it shows in the rate
RECOVERED_SHARE = 0.75  # not slow any more; more than SLOW_SHARE, so that nobody goes to and fro
_RATE_FLOORS = 0.5  # of the floor, in which the rate is taken
_AGAIN_FACTOR = 3.0  # a second start may take so many times the first one and the floor
_HISTORY = 50


@dataclasses.dataclass
class _Record:
    """What is known of one role; ``since_s`` is of the last new step, or of the start; None where none is expected."""

    began_s: float | None = None
    since_s: float | None = None
    step: int | None = None
    excused_until_s: float = float("-inf")
    stopped_s: float | None = None
    slow_s: float | None = None
    straggler: Straggler | None = None
    is_resuming: bool = False  # the next step ends a pause that says nothing of its rate
    gaps_s: collections.deque[float] = dataclasses.field(default_factory=lambda: collections.deque(maxlen=_HISTORY))
    steps_s: collections.deque[float] = dataclasses.field(default_factory=lambda: collections.deque(maxlen=_HISTORY))
    samples: collections.deque[tuple[float, int]] = dataclasses.field(default_factory=collections.deque)

    def take(self, step: int, now_s: float) -> None:
        """Note a step that is not the last one."""
        if self.step is not None and step < self.step:  # begun anew
            self.samples.clear()
        elif self.step is not None and self.since_s is not None and not self.is_resuming:
            self.gaps_s.append(now_s - self.since_s)
            self.steps_s.append((now_s - self.since_s) / (step - self.step))
        elif self.is_resuming:
            self.samples.clear()
        self.is_resuming = False
        self.step, self.since_s, self.excused_until_s = step, now_s, float("-inf")
        self.samples.append((now_s, step))
        if self.stopped_s is not None:  # not all the time, though it was so whenever somebody looked
            self.stopped_s = now_s

    def rate(self, now_s: float, window_s: float) -> float | None:
        """Return the steps a second within ``window_s``; None if unknown, such as after an excused pause."""
        if len(self.samples) < 2 or self.is_resuming:
            return None
        while len(self.samples) > 2 and self.samples[1][0] <= now_s - window_s:
            self.samples.popleft()
        (first_s, first), (last_s, last) = self.samples[0], self.samples[-1]
        is_late = now_s - last_s > 2 * statistics.median(self.gaps_s or [0.0])
        end_s = now_s if is_late else last_s
        return (last - first) / (end_s - first_s) if end_s > first_s else None


class StallDetector:
    """The steps of all roles of a run. Those that were never watched, nor took a step, can only be found stopped.

    A role is stalled if it took no new step for the longer of ``floor_s`` and ``factor`` times the median time between
    its reports of new steps. Before its second such report it is given ``first_step_s``, as it may build a graph, fill
    queues and wait for the chief, but no more than some times what that took an earlier process of the role. What it
    says of itself excuses it: that it saves, or that it waits for storage. With ``in_lockstep`` (synchronous
    replicas), and before the first steps, what excuses one excuses all, as all wait for it.
    """

    def __init__(
        self, floor_s: float = 40.0, factor: float = 10.0, first_step_s: float = 600.0, *, in_lockstep: bool = False
    ):
        self._floor_s, self._factor, self._first_step_s = floor_s, factor, first_step_s
        self._in_lockstep = in_lockstep
        self._records: dict[Role, _Record] = collections.defaultdict(_Record)
        self._starts_s: dict[Role, float] = {}  # the longest that it took to take steps; outlives the role's records
        self._recovered: list[Straggler] = []

    def watch(self, role: Role, now_s: float) -> None:
        """Expect steps of the role from now on, or since this was called first."""
        record = self._records[role]
        if record.since_s is None:
            record.began_s = record.since_s = now_s

    def note(self, role: Role, step: int, now_s: float) -> None:
        """Note that the role is at ``step``; the same one again is no progress, a lower one a new start."""
        record = self._records[role]
        if step != record.step:
            record.take(step, now_s)
            if len(record.gaps_s) == 1 and record.began_s is not None:
                self._starts_s[role] = max(self._starts_s.get(role, 0.0), now_s - record.began_s)

    def hear(self, role: Role, status: Mapping[str, Any], now_s: float) -> None:
        """Take what a program reported: ``own_steps`` (of that role), else ``step``; and ``saving``, if true."""
        step = status.get("own_steps", status.get("step"))
        if isinstance(step, int):
            self.note(role, step, now_s)
        if status.get("saving"):
            self.excuse(role, now_s, SAVING_S)

    def hear_lines(self, role: Role, lines: Sequence[str], now_s: float) -> None:
        """Take a role's log lines: one that waits for storage is not stalled, and says so again and again."""
        if any(_STORAGE_WAIT.search(line) for line in lines):
            self.excuse(role, now_s, _STORAGE_WAIT_S)

    def excuse(self, role: Role, now_s: float, for_s: float) -> None:
        """Count the role as not stalled for ``for_s``; its next step ends that."""
        record = self._records[role]
        record.excused_until_s = max(record.excused_until_s, now_s + for_s)
        record.is_resuming = True

    def note_state(self, role: Role, state: str, now_s: float) -> None:
        """Note what the system says of the role's process, in psutil's words; "" for nothing."""
        record = self._records[role]
        if state not in STOPPED_STATES:
            record.stopped_s = None
        elif record.stopped_s is None:
            record.stopped_s = now_s

    def forget(self, role: Role) -> None:
        """Forget all of a role that ended or begins anew, but how long its start took."""
        self._records.pop(role, None)

    def stalled(self, now_s: float) -> list[Role]:
        """Return the roles that will not go on by themselves, in their order.

        Where a process is stopped, it is the cause, and the others wait for it: a worker for its ps, the others for a
        worker in lockstep. So nobody else is named then, and it once it was stopped for ``floor_s``.
        """
        stopped = {role: record.stopped_s for role, record in self._records.items() if record.stopped_s is not None}
        if stopped:
            return sorted(role for role, since_s in stopped.items() if now_s - since_s >= self._floor_s)
        return sorted(role for role in self._records if self._is_stalled(role, now_s))

    def has_stepped(self, role: Role) -> bool:
        """Return whether the role took a step since it began, or began anew."""
        return bool(self._records[role].steps_s)

    def silence(self, role: Role, now_s: float) -> Silence:
        """Return for how long the role took no step or, if its process is stopped, for how long that has been so."""
        record = self._records[role]
        since_s = record.since_s if record.stopped_s is None else record.stopped_s
        median_s = statistics.median(record.steps_s) if record.steps_s else None
        return Silence(now_s - (now_s if since_s is None else since_s), median_s, record.stopped_s is not None)

    def stragglers(self, now_s: float) -> list[Straggler]:
        """Return the roles that have turned out slow since the last call; each once until it recovers.

        Slow is less than ``SLOW_SHARE`` of the median rate of the others of its job, for 30 s with a floor of 40 s.
        """
        window_s = _RATE_FLOORS * self._floor_s
        known = {role: record.rate(now_s, window_s) for role, record in self._records.items()}
        rates = {role: rate for role, rate in known.items() if rate is not None}
        found = []
        for role, rate in sorted(rates.items()):
            others = [other for peer, other in rates.items() if peer.job == role.job and peer != role]
            if not any(peer.job == role.job and peer != role for peer in self._records):
                self._records[role].slow_s = self._records[role].straggler = None
            elif others and self._turned_slow(role, rate, statistics.median(others), now_s):
                found.append(Straggler(role, rate, statistics.median(others)))
        return found

    def recovered(self) -> list[Straggler]:
        """Return the former stragglers that recovered since the last call, with their rates now."""
        recovered, self._recovered = self._recovered, []
        return recovered

    @property
    def slow(self) -> list[Straggler]:
        """Return all that are slow as of the last call of ``stragglers``, with their rates then."""
        known = [record.straggler for _, record in sorted(self._records.items())]
        return [one for one in known if one is not None]

    def _is_stalled(self, role: Role, now_s: float) -> bool:
        record = self._records[role]
        if record.since_s is None:
            return False
        if record.gaps_s:
            limit_s = max(self._floor_s, self._factor * statistics.median(record.gaps_s))
        elif role in self._starts_s:
            limit_s = min(self._first_step_s, _AGAIN_FACTOR * (self._starts_s[role] + self._floor_s))
        else:
            limit_s = self._first_step_s
        excuses = self._records.values() if self._in_lockstep or not record.gaps_s else (record,)
        excused_s = max(one.excused_until_s for one in excuses)
        return now_s - max(record.since_s, excused_s) >= limit_s

    def _turned_slow(self, role: Role, rate: float, others: float, now_s: float) -> bool:
        """Note the role's rate beside the others'; return whether it has just turned out slow."""
        record = self._records[role]
        was_slow = record.straggler is not None
        if rate < SLOW_SHARE * others:
            record.slow_s = now_s if record.slow_s is None else record.slow_s
        elif not was_slow or rate >= RECOVERED_SHARE * others:
            record.slow_s = None
        is_slow = record.slow_s is not None and (was_slow or now_s - record.slow_s >= SLOW_FLOORS * self._floor_s)
        record.straggler = Straggler(role, rate, others) if is_slow else None
        if was_slow and not is_slow:
            self._recovered.append(Straggler(role, rate, others))
        return is_slow and not was_slow
