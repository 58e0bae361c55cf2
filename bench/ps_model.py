"""A model of training over parameter servers: how long a step takes with so many workers, servers and such a network.

What it holds to be true, and no more:

* A step of a worker: a fixed overhead, then it fetches every server's share of the weights, computes forward (a third)
  and backward (two thirds), and sends each server its share of the gradients, which the server applies.
* Transfers overlap with computing, in ``CHUNKS`` pieces: a piece of forward starts when its weights are there, a piece
  of the gradients leaves when backward has made it.
* A host's link carries one piece after the other, each way for itself (full duplex), in the order in which they were
  asked for; as workers take turns piece by piece, a link is shared evenly. A server's processor applies gradients in
  the order in which they came.
* Computing takes ``compute_s`` on average, lognormal with the coefficient of variation ``jitter``, each worker and
  step for itself.
* In lockstep a step ends when the gradients of all workers but the backups are applied; the others' are thrown away.

Switches in between are not in it, nor losses of packets, nor stragglers that last longer than a step.
"""

import heapq
import math
import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

CHUNKS = 12
_FORWARD = 1 / 3  # backward computes two gradients for each product of forward
_WARM_UP = 2


@dataclass(frozen=True)
class Setting:
    """What is modelled. Bytes are those of one direction: weights fetched, as many as of gradients sent."""

    num_workers: int
    shares: Sequence[float]  # bytes on each server
    compute_s: float
    link_bytes_s: float  # what one host's link carries each way
    overhead_s: float = 0.0
    apply_s: float = 0.0  # a processor's time for the gradients of the whole model, spread as the bytes are
    jitter: float = 0.0
    is_lockstep: bool = False
    num_backups: int = 0
    is_colocated: bool = False  # server i runs on worker i's host, and shares its link

    def __post_init__(self) -> None:
        """Refuse what is no cluster."""
        if self.num_workers < 1 or not self.shares or not 0 <= self.num_backups < self.num_workers:
            raise ValueError(f"{self.num_workers} workers, {len(self.shares)} ps, {self.num_backups} backups")
        if min(self.compute_s, self.overhead_s, self.apply_s, self.jitter, *self.shares) < 0 or self.link_bytes_s <= 0:
            raise ValueError("times, bytes and the jitter cannot be below 0, nor a link carry nothing")


@dataclass(frozen=True)
class Outcome:
    """``step_s``: from one step of a worker to its next, on average; ``steps_s``: of all workers together, a second."""

    step_s: float
    steps_s: float


def simulate(setting: Setting, num_steps: int = 12, seed: int = 0) -> Outcome:
    """Let every worker take so many steps, of which the first two do not count."""
    run = _Run(setting, seed)
    return run.lockstep(num_steps + _WARM_UP) if setting.is_lockstep else run.asynchronous(num_steps + _WARM_UP)


def efficiency(setting: Setting, **options: int) -> float:
    """Return what a worker of many gets done, as a share of what a single one with the same servers does."""
    alone = Setting(**{**vars(setting), "num_workers": 1, "num_backups": 0})
    return simulate(setting, **options).steps_s / setting.num_workers / simulate(alone, **options).steps_s


class _Run:
    """The state of all links and processors, and the clock that ``heapq`` keeps."""

    def __init__(self, setting: Setting, seed: int) -> None:
        self._setting, self._random = setting, random.Random(seed)
        hosts = max(setting.num_workers, len(setting.shares)) if setting.is_colocated else 0
        size = hosts or setting.num_workers + len(setting.shares)
        first = 0 if hosts else setting.num_workers
        self._host_of_ps = [first + index for index in range(len(setting.shares))]
        self._sends, self._receives = [0.0] * size, [0.0] * size  # until when the link is taken
        self._applies = [0.0] * len(setting.shares)
        self._total = sum(setting.shares)

    def asynchronous(self, num_steps: int) -> Outcome:
        """Let each worker begin its next step as soon as its last one is applied."""
        ends = self._steps([(0.0, worker) for worker in range(self._setting.num_workers)], num_steps)
        times = [(mine[-1] - mine[_WARM_UP - 1]) / (num_steps - _WARM_UP) for mine in ends]
        return Outcome(statistics.fmean(times), math.fsum(1 / max(time, 1e-12) for time in times))

    def lockstep(self, num_steps: int) -> Outcome:
        """Let all begin together."""
        setting, starts, begin = self._setting, [0.0] * self._setting.num_workers, [0.0]
        for _ in range(num_steps):
            ends = [mine[0] for mine in self._steps(list(zip(starts, range(setting.num_workers), strict=True)), 1)]
            begin.append(sorted(ends)[-1 - setting.num_backups])
            starts = [max(begin[-1], end) if setting.num_backups else begin[-1] for end in ends]
        step_s = (begin[-1] - begin[_WARM_UP]) / (num_steps - _WARM_UP)
        return Outcome(step_s, (setting.num_workers - setting.num_backups) / max(step_s, 1e-12))

    def _steps(self, starts: list[tuple[float, int]], num_steps: int) -> list[list[float]]:
        """Return the ends of each worker's next steps; events are in the order of time, whoever's they are."""
        workers = [_Worker(self._setting, self._random) for _ in starts]
        events = [(start + self._setting.overhead_s, worker) for start, worker in starts]
        ends: list[list[float]] = [[] for _ in starts]
        heapq.heapify(events)
        while events:
            now, index = heapq.heappop(events)
            worker = workers[index]
            if worker.fetched < CHUNKS:
                then = worker.forward(self._fetch(index, now))
            else:
                then = worker.backward(self._push(index, now), now)
            if then is None:
                ends[index].append(worker.applied)
                if len(ends[index]) == num_steps:
                    continue
                then = worker.applied + self._setting.overhead_s
                workers[index] = _Worker(self._setting, self._random)
            heapq.heappush(events, (then, index))
        return ends

    def _fetch(self, worker: int, now: float) -> float:
        """Return when the next piece of the weights is there."""
        local = self._carry(self._sends, now, worker)
        return max(self._take(self._receives, worker, now, local), max(self._ends))

    def _push(self, worker: int, now: float) -> float:
        """Return when the next piece of the gradients is applied."""
        local = self._carry(self._receives, now, worker)
        sent = self._take(self._sends, worker, now, local)
        for index, share in enumerate(self._setting.shares):
            begin = max(self._applies[index], self._ends[index], sent)
            portion = share / self._total if self._total else 0.0
            self._applies[index] = begin + self._setting.apply_s * portion / CHUNKS
        return max(self._applies)

    def _carry(self, links: list[float], now: float, worker: int) -> float:
        """Put a piece for, or of, each server on that server's link; return the bytes that stay on the host."""
        self._ends, local = [], 0.0
        for host, share in zip(self._host_of_ps, self._setting.shares, strict=True):
            if host == worker:
                self._ends.append(now)
                local += share
            else:
                self._ends.append(self._take(links, host, now, self._total - share))
        return local

    def _take(self, links: list[float], host: int, now: float, but: float) -> float:
        links[host] = max(links[host], now) + (self._total - but) / CHUNKS / self._setting.link_bytes_s
        return links[host]


class _Worker:
    """One step of one worker: how many pieces it has fetched, computed and sent."""

    def __init__(self, setting: Setting, random_numbers: random.Random) -> None:
        spread = math.sqrt(math.log1p(setting.jitter**2))
        compute_s = setting.compute_s * random_numbers.lognormvariate(-spread * spread / 2, spread)
        self._forward_s, self._backward_s = (compute_s * share / CHUNKS for share in (_FORWARD, 1 - _FORWARD))
        self._computed = self.applied = 0.0
        self.fetched = self._sent = 0

    def forward(self, there: float) -> float:
        """Take a piece of the weights that is there by then; return when the next is asked for, or backward's first."""
        self.fetched += 1
        self._computed = max(self._computed, there) + self._forward_s
        return there if self.fetched < CHUNKS else self._computed + self._backward_s

    def backward(self, applied: float, now: float) -> float | None:
        """Take when a piece of the gradients is applied; return when the next leaves, None at the end."""
        self._sent += 1
        self.applied = max(self.applied, applied)
        return now + self._backward_s if self._sent < CHUNKS else None
