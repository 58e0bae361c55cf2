"""What Prometheus is told: requests, stages, batches, queue and memory."""

import math
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from sparkcv.serve.catalog import Catalog
from sparkcv.serve.model_process import ScoreReply

__all__ = ["ServiceMetrics"]

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)
_MODEL = ("model", "version")
_STAGES = ("decode", "wait", "model")


class ServiceMetrics:
    """The service's metrics, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "sparkcv_requests", "Requests answered", ("model", "version", "route", "code"), registry=self.registry
        )
        self.seconds = Histogram(
            "sparkcv_request_seconds", "Whole requests", ("route",), buckets=_SECONDS, registry=self.registry
        )
        self.stages = Histogram(
            "sparkcv_stage_seconds",
            "Stages of a picture: decode, wait (for its batch), model",
            (*_MODEL, "stage"),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.batches = Histogram(
            "sparkcv_batch_size", "Pictures that were scored together", _MODEL, buckets=_SIZES, registry=self.registry
        )
        self.queue = Gauge("sparkcv_queue_pictures", "Pictures on their way", registry=self.registry)
        self.memory = Gauge(
            "sparkcv_model_memory_bytes", "Resident memory of a model's process", _MODEL, registry=self.registry
        )
        self.deaths = Gauge(
            "sparkcv_model_deaths",
            "Processes of a model that died and were started again",
            _MODEL,
            registry=self.registry,
        )

        self._answered: set[tuple[str, str, str, str]] = set()  # model, version, route, code
        self._scored: set[tuple[str, str]] = set()  # model, version

    def answered(self, model: str, version: str, route: str, code: str) -> None:
        """Count one answered request; model and version are "" where it was for none."""
        self._answered.add((model, version, route, code))
        self.requests.labels(model, version, route, code).inc()

    def scored(self, model: str, version: int, reply: ScoreReply) -> None:
        """Count one scored picture."""
        self._scored.add((model, str(version)))
        for stage, seconds in zip(_STAGES, (reply.decode_s, reply.wait_s, reply.model_s), strict=True):
            self.stages.labels(model, version, stage).observe(seconds)
        self.batches.labels(model, version).observe(reply.batch_size)

    def page(self, catalog: Catalog) -> bytes:
        """Return the text that a scraper reads.

        What was counted of versions that the catalog has no more is in it a last time: a version every night would let
        it grow for ever.
        """
        self.memory.clear()
        self.deaths.clear()
        there = {("", "")}
        for name in catalog.names():
            for one in catalog.versions(name):
                there.add((name, str(one.version)))
                if one.process is not None:
                    self.memory.labels(name, one.version).set(one.process.rss_bytes())
                    self.deaths.labels(name, one.version).set(one.process.num_deaths)
        text = generate_latest(self.registry)
        self._forget(there)
        return text

    def _forget(self, there: set[tuple[str, str]]) -> None:
        for answered in [one for one in self._answered if one[:2] not in there]:
            self._answered.discard(answered)
            self.requests.remove(*answered)
        for model, version in self._scored - there:
            self._scored.discard((model, version))
            self.batches.remove(model, version)
            for stage in _STAGES:
                self.stages.remove(model, version, stage)

    def latency(self, model: str, version: int) -> list[tuple[float | None, float]]:
        """Return the model stage's histogram for the page: ``[(upper bound in seconds, share of pictures), ...]``.

        The bound of the last one is None.
        """
        found: Iterable = (
            sample
            for metric in self.stages.collect()
            for sample in metric.samples
            if sample.name.endswith("_bucket")
            and sample.labels["model"] == model
            and sample.labels["version"] == str(version)
            and sample.labels["stage"] == "model"
        )
        buckets = [(float(sample.labels["le"]), sample.value) for sample in found]
        total = buckets[-1][1] if buckets else 0
        shares: list[tuple[float | None, float]] = []
        before = 0.0
        for bound, value in buckets:
            shares.append((bound if math.isfinite(bound) else None, (value - before) / total if total else 0.0))
            before = value
        return shares
