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
_REQUEST, _STAGE = (*_MODEL, "route", "code"), (*_MODEL, "stage")
_STAGES = ("decode", "wait", "model")


class ServiceMetrics:
    """The service's metrics, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter("sparkcv_requests", "Requests answered", _REQUEST, registry=self.registry)
        self.seconds = Histogram(
            "sparkcv_request_seconds", "Whole requests", ("route",), buckets=_SECONDS, registry=self.registry
        )
        self.stages = Histogram(
            "sparkcv_stage_seconds",
            "Stages of a picture: decode, wait (for its batch), model",
            _STAGE,
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

    def scored(self, model: str, version: int, reply: ScoreReply) -> None:
        """Count one scored picture."""
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
        for metric, names in ((self.requests, _REQUEST), (self.stages, _STAGE), (self.batches, _MODEL)):
            samples = [sample for one in metric.collect() for sample in one.samples]
            for labels in {tuple(sample.labels[name] for name in names) for sample in samples}:
                if labels[:2] not in there:
                    metric.remove(*labels)

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
