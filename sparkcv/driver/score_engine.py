"""What runs a scoring run's net: chosen before Spark starts, and measured on the run's own input where it must be."""

from __future__ import annotations

import dataclasses
import functools
import json
from typing import Any

from pyspark.sql import SparkSession

from sparkcv import logs
from sparkcv.config import ScoreConfig
from sparkcv.driver.score_input import FrozenInput
from sparkcv.predict.accuracy_task import AccuracySample, measure_sample
from sparkcv.predict.engines import NetSpec
from sparkcv.predict.engines.agreement import Agreement
from sparkcv.predict.engines.choice import EngineChoice, check_quantizer, choose_engine
from sparkcv.predict.engines.loading import needs_tensorflow
from sparkcv.predict.manifest import ModelManifest
from sparkcv.predict.tasks import ScoreTask
from sparkcv.spark.errors import translated
from sparkcv.spark.python_daemon import imported_first
from sparkcv.spark.stages import map_pieces
from sparkcv.tokens.server import TokenServerAddress, with_tokens

__all__ = ["NetFacts", "choose", "imported_by_workers", "settle"]

_PIECES = 16
_log = logs.get(__name__)


@dataclasses.dataclass(frozen=True)
class NetFacts:
    """How a run's net is run, and what is to be told of it."""

    net: NetSpec
    why: str
    agreement: Agreement | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON value for the report."""
        said: dict[str, Any] = {"name": self.net.engine, "precision": self.net.precision, "why": self.why}
        if self.agreement is not None:
            measured = ("precision", "num_pictures", "num_agreeing")
            said["agreement"] = {name: getattr(self.agreement, name) for name in measured}
        return said


def choose(config: ScoreConfig, manifest: ModelManifest) -> EngineChoice:
    """Return the engine of a run; nothing is started.

    Raises UsageError for one that is not installed, and for an end point that the model has not.
    """
    choice = choose_engine(config.engine, config.precision)
    if config.precision == "int8":
        check_quantizer()
    if config.features is not None:
        manifest.end_point(config.features)
    return choice


def imported_by_workers(config: ScoreConfig, manifest: ModelManifest) -> str:
    """Return the module that the run's Python workers are forked with."""
    engine = "decoding" if needs_tensorflow(manifest, choose(config, manifest).name) else "openvino"
    return f"sparkcv.predict.engines.{engine}"


def settle(
    spark: SparkSession,
    choice: EngineChoice,
    task: ScoreTask,
    frozen: FrozenInput,
    sample: AccuracySample,
    place: TokenServerAddress | None,
) -> NetFacts:
    """Return how the net is run: less than float32 is measured first, in one task, on pictures of the input.

    Raises ModelError if a precision that was asked for agrees with float32 too rarely.
    """
    net = dataclasses.replace(task.net, engine=choice.name, precision=choice.precision)
    if choice.precision == "fp32":
        facts = NetFacts(net, choice.why)
    else:
        tried = dataclasses.replace(net, precision="bf16" if choice.precision == "auto" else choice.precision)
        step = max(1, -(-frozen.num_pieces // _PIECES))
        sample = dataclasses.replace(sample, pieces=tuple(range(0, frozen.num_pieces, step)))
        work = with_tokens(place, functools.partial(measure_sample, dataclasses.replace(task, net=tried), sample))
        # Workers of their own: what the measuring takes of memory is not theirs that score.
        with translated(), imported_first(spark, "sparkcv.storage"):
            (row,) = map_pieces(spark, 1, work, "agreement string").collect()
        found = Agreement(**json.loads(row.agreement))
        if choice.precision == "auto" and not found.is_enough:
            facts = NetFacts(dataclasses.replace(net, precision="fp32"), f"{choice.why}; {found}", found)
        else:
            found.check()
            facts = NetFacts(dataclasses.replace(tried, proof_url=sample.url), f"{choice.why}; {found}", found)
    _log.info("engine %s in %s: %s", facts.net.engine, facts.net.precision, facts.why)
    return facts
