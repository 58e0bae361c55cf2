"""What a user watches while a worker trains: how full each queue is, how fast it goes, and what it waits for."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any

__all__ = ["Meter"]

_WINDOW_S = 20.0
_RECENT_STEPS = 50


class Meter:
    """Gather one worker's gauges, step by step; no threads, no waiting.

    ``images_per_step`` is of this worker, all clones together. The rate is over the last 20 seconds, so that the slow
    first steps and a pause for a checkpoint do not weigh for ever. ``clock`` gives seconds.
    """

    def __init__(self, images_per_step: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._images_per_step = images_per_step
        self._clock = clock
        self._steps: deque[tuple[float, int]] = deque()
        self._waited: deque[bool] = deque(maxlen=_RECENT_STEPS)
        self._first_s: float | None = None
        self._last_s = 0.0
        self.num_images = 0
        self.queues: dict[str, tuple[int, int]] = {}

    def step(self, filename: tuple[int, int], common: tuple[int, int], prefetch: tuple[int, int]) -> None:
        """Count one step, with the fill and capacity of each queue when it ran."""
        now = self._clock()
        if self._first_s is None:
            self._first_s = now
        self._last_s = now
        self.num_images += self._images_per_step
        self._steps.append((now, self.num_images))
        while now - self._steps[0][0] > _WINDOW_S and len(self._steps) > 2:
            self._steps.popleft()
        self._waited.append(prefetch[0] == 0)
        self.queues = {"filename": filename, "common": common, "prefetch": prefetch}

    @property
    def images_per_s(self) -> float | None:
        """Images a second of late; None before the second step."""
        if len(self._steps) < 2:
            return None
        (start, first), (end, last) = self._steps[0], self._steps[-1]
        return (last - first) / (end - start) if end > start else None

    @property
    def seconds(self) -> float:
        """Seconds from the end of the first step to that of the last."""
        return 0.0 if self._first_s is None else self._last_s - self._first_s

    @property
    def bound(self) -> str | None:
        """Return ``"input"`` if at least half of the last 50 steps found the prefetch queue empty, else ``"compute"``.

        None before the first step.
        """
        if not self._waited:
            return None
        return "input" if 2 * sum(self._waited) >= len(self._waited) else "compute"

    def report(self) -> dict[str, Any]:
        """Return the gauges as a part of the worker's status, ready for JSON."""
        rate = self.images_per_s
        return {
            "own_steps": self.num_images // self._images_per_step,  # the global step tells nothing of one worker
            "images_per_s": None if rate is None else round(rate, 2),
            "queues": {name: list(gauge) for name, gauge in self.queues.items()},
            "bound": self.bound,
        }
