"""The service without HTTP: admission, scoring, counting. Everything that a route needs of models is here."""

import contextlib
import dataclasses
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparkcv.serve.catalog import Catalog
from sparkcv.serve.errors import RequestError, overloaded
from sparkcv.serve.metrics import ServiceMetrics
from sparkcv.serve.model_process import ScoreReply
from sparkcv.serve.model_version import ModelVersion
from sparkcv.serve.protocols.values import ModelInput

__all__ = ["Service", "ranked"]


@dataclasses.dataclass(frozen=True)
class ServiceLimits:
    """What the service takes at one time.

    Attributes:
        max_queue: pictures that are on their way, over all models.
        timeout_s: seconds after which nobody waits for an answer.
    """

    max_queue: int
    timeout_s: float


class Service:
    """Scores pictures by the models of a catalog, within limits."""

    def __init__(self, catalog: Catalog, limits: ServiceLimits, metrics: ServiceMetrics) -> None:
        self.catalog, self.metrics = catalog, metrics
        self._limits = limits
        self.num_running = 0
        self.is_draining = False

    def deadline_s(self) -> float:
        """Return when nobody waits any more for what comes now, by ``time.monotonic()``."""
        return time.monotonic() + self._limits.timeout_s

    async def score(self, one: ModelVersion, given: ModelInput) -> list[ScoreReply | RequestError]:
        """Score pictures by one version; each that cannot be used costs only itself.

        Raises RequestError: 429 if there is no room, 503 if the model has gone.
        """
        begin_s = time.monotonic()
        try:
            answers = await self._answers(one, given)
        except RequestError:
            one.statistics.add_failed(time.monotonic() - begin_s)
            raise
        if any(isinstance(answer, ScoreReply) for answer in answers):
            one.statistics.add(time.monotonic() - begin_s, answers)
        else:
            one.statistics.add_failed(time.monotonic() - begin_s)
        return answers

    async def probabilities(self, one: ModelVersion, given: ModelInput) -> NDArray[np.float32]:
        """Score pictures by one version, all or none: ``[batch, classes]``.

        Raises RequestError: as :meth:`score`, and 400 naming the first picture that cannot be used.
        """
        begin_s = time.monotonic()
        try:
            answers = await self._answers(one, given)
            rows = []
            for index, answer in enumerate(answers):
                if isinstance(answer, RequestError):
                    raise RequestError(answer.status, f"picture {index}: {answer.message}")
                rows.append(answer.scores)
        except RequestError:
            one.statistics.add_failed(time.monotonic() - begin_s)
            raise
        one.statistics.add(time.monotonic() - begin_s, answers)
        return np.stack(rows)

    async def explain(self, one: ModelVersion, picture: bytes, label_id: int | None) -> dict[str, Any]:
        """Return what :meth:`.ModelVersion.explain` does; raises as it, and RequestError (429) if there is no room."""
        with self._admitted(1):
            return await one.explain(picture, label_id)

    @contextlib.contextmanager
    def _admitted(self, number: int) -> Iterator[None]:
        """Count ``number`` pictures as on their way; raises RequestError (429) where that would be too many."""
        if self.num_running and self.num_running + number > self._limits.max_queue:
            raise overloaded(
                f"{self.num_running} pictures are on their way, at most {self._limits.max_queue} are taken"
            )
        self.num_running += number
        self.metrics.queue.set(self.num_running)
        try:
            yield
        finally:
            self.num_running -= number
            self.metrics.queue.set(self.num_running)

    async def _answers(self, one: ModelVersion, given: ModelInput) -> list[ScoreReply | RequestError]:
        with self._admitted(len(given)):
            answers = await one.score(given, self.deadline_s())
        for answer in answers:
            if isinstance(answer, ScoreReply):
                self.metrics.scored(one.name, one.version, answer)
        lost = [answer for answer in answers if isinstance(answer, RequestError) and answer.status in (503, 504)]
        if lost:
            raise lost[0]
        return answers


def ranked(scores: NDArray[np.float32], labels: Sequence[str], top_k: int) -> list[tuple[int, str, float]]:
    """Return the best classes as ``(label_id, label, score)``, best first; equal scores keep the classes' order."""
    best = np.argsort(-scores, kind="stable")[:top_k]
    return [(int(index), labels[index], float(scores[index])) for index in best]
