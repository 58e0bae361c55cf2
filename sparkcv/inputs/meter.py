"""What a user watches while a worker trains: how full each queue is, how fast it goes, and what it waits for."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any

__all__ = ["Meter"]

_WINDOW_S = 20.0
_BOUND = 0.1  # what of the time steps wait for their batches where the input is slower than they are


class Meter:
    """Gather one worker's gauges, step by step; no threads, no waiting.

    ``images_per_step`` is of this worker, all clones together. The rate is over the last 20 seconds, so that the slow
    first steps and a pause for a checkpoint do not weigh for ever. ``clock`` gives seconds.
    """

    def __init__(self, images_per_step: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._images_per_step = images_per_step
        self._clock = clock
        self._steps: deque[tuple[float, int, float, float]] = deque()
        self._waited_s = 0.0
        self._first_s: float | None = None
        self._last_s = 0.0
        self.num_images = 0
        self.queues: dict[str, tuple[int, int]] = {}

    def step(
        self,
        filename: tuple[int, int],
        common: tuple[int, int],
        prefetch: tuple[int, int],
        *,
        waited_s: float,
        reader_waited_s: float,
    ) -> None:
        """Count one step, with the fill and capacity of each queue when it ran.

        ``waited_s`` is how long this step waited for its batch, ``reader_waited_s`` how long the reader has waited for
        shards since it began.
        """
        now = self._clock()
        if self._first_s is None:
            self._first_s = now
        self._last_s = now
        self.num_images += self._images_per_step
        self._waited_s += waited_s
        self._steps.append((now, self.num_images, self._waited_s, reader_waited_s))
        while now - self._steps[0][0] > _WINDOW_S and len(self._steps) > 2:
            self._steps.popleft()
        self.queues = {"filename": filename, "common": common, "prefetch": prefetch}

    @property
    def images_per_s(self) -> float | None:
        """Images a second of late; None before the second step."""
        if len(self._steps) < 2:
            return None
        (start, first, *_), (end, last, *_) = self._steps[0], self._steps[-1]
        return (last - first) / (end - start) if end > start else None

    @property
    def seconds(self) -> float:
        """Seconds from the end of the first step to that of the last."""
        return 0.0 if self._first_s is None else self._last_s - self._first_s

    @property
    def waits(self) -> float | None:
        """The share of the time, of late, in which steps waited for their batches; None before the second step."""
        if len(self._steps) < 2:
            return None
        (start, _, before, _), (end, _, after, _) = self._steps[0], self._steps[-1]
        return min(1.0, (after - before) / (end - start)) if end > start else None

    @property
    def bound(self) -> str | None:
        """What the run is as slow as; None before the second step.

        ``"step"`` if steps wait for their batches less than a tenth of the time. Else ``"reader"`` if the reader in
        turn waited, for shards to come from storage, at least half as long, and ``"decoder"`` if it did not.
        """
        waits = self.waits
        if waits is None:
            return None
        if waits < _BOUND:
            return "step"
        (_, _, before, reader_before), (_, _, after, reader_after) = self._steps[0], self._steps[-1]
        return "reader" if 2 * (reader_after - reader_before) >= after - before else "decoder"

    def report(self) -> dict[str, Any]:
        """Return the gauges as a part of the worker's status, ready for JSON."""
        rate = self.images_per_s
        return {
            "own_steps": self.num_images // self._images_per_step,  # the global step tells nothing of one worker
            "images_per_s": None if rate is None else round(rate, 2),
            "queues": {name: list(gauge) for name, gauge in self.queues.items()},
            "bound": self.bound,
            "waits": None if self.waits is None else round(self.waits, 3),
        }
