"""What a version has done so far, as the page and the Open Inference Protocol's statistics tell it."""

import collections
import dataclasses
import time
from collections.abc import Sequence
from typing import Any

from sparkcv.serve.errors import RequestError
from sparkcv.serve.model_process import ScoreReply

__all__ = ["RequestStatistics"]

_NS = 1_000_000_000


@dataclasses.dataclass
class _Batches:
    """The batches of one size: how many of their pictures were answered, and their seconds, summed over pictures."""

    pictures: int = 0
    decode_s: float = 0.0
    wait_s: float = 0.0
    model_s: float = 0.0


class RequestStatistics:
    """Requests and pictures of one version.

    Attributes:
        succeeded, failed: requests that were answered with scores, and that were not.
        pictures: that were scored.
    """

    def __init__(self) -> None:
        self.succeeded, self.failed, self.pictures = 0, 0, 0
        self._succeeded_s = self._failed_s = self._last_s = 0.0
        self._batches: dict[int, _Batches] = collections.defaultdict(_Batches)

    @property
    def requests(self) -> int:
        """All requests."""
        return self.succeeded + self.failed

    def add(self, seconds: float, answers: Sequence[ScoreReply | RequestError]) -> None:
        """Count a request that was answered, and its pictures that were scored."""
        self.succeeded, self._succeeded_s, self._last_s = self.succeeded + 1, self._succeeded_s + seconds, time.time()
        for answer in answers:
            if isinstance(answer, ScoreReply):
                of = self._batches[answer.batch_size]
                self.pictures, of.pictures = self.pictures + 1, of.pictures + 1
                of.decode_s += answer.decode_s
                of.wait_s += answer.wait_s
                of.model_s += answer.model_s

    def add_failed(self, seconds: float) -> None:
        """Count a request that was not answered with scores."""
        self.failed, self._failed_s = self.failed + 1, self._failed_s + seconds

    def to_dict(self, name: str, version: int) -> dict[str, Any]:
        """Return them as Triton's statistics extension has them, durations in nanoseconds.

        A batch's time of the model is that of its pictures divided by its size; decoding is the protocol's
        ``compute_input``, waiting for a batch its ``queue``.
        """
        batches = [self._batches[size] for size in sorted(self._batches)]
        infer_s = sum(of.model_s / size for size, of in self._batches.items())
        return {
            "name": name,
            "version": str(version),
            "last_inference": int(1000 * self._last_s),
            "inference_count": self.pictures,
            "execution_count": sum(_executions(size, of) for size, of in self._batches.items()),
            "inference_stats": {
                "success": _duration(self.succeeded, self._succeeded_s),
                "fail": _duration(self.failed, self._failed_s),
                "queue": _duration(self.succeeded, sum(of.wait_s for of in batches)),
                "compute_input": _duration(self.succeeded, sum(of.decode_s for of in batches)),
                "compute_infer": _duration(self.succeeded, infer_s),
                "compute_output": _duration(self.succeeded, 0.0),
                "cache_hit": _duration(0, 0.0),
                "cache_miss": _duration(0, 0.0),
            },
            "batch_stats": [_batch(size, self._batches[size]) for size in sorted(self._batches)],
        }


def _batch(size: int, of: _Batches) -> dict[str, Any]:
    count = _executions(size, of)
    return {
        "batch_size": size,
        "compute_input": _duration(count, of.decode_s),
        "compute_infer": _duration(count, of.model_s / size),
        "compute_output": _duration(count, 0.0),
    }


def _executions(size: int, of: _Batches) -> int:
    return max(1, round(of.pictures / size))


def _duration(count: int, seconds: float) -> dict[str, int]:
    return {"count": count, "ns": int(_NS * seconds)}
