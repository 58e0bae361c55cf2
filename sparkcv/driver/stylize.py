"""Fast style transfer: one picture in a process of its own, or a folder as one Spark stage, each exactly once."""

import dataclasses
import functools
import json
import os
import subprocess
import tempfile
import time
from typing import Any

from pyspark.sql import SparkSession

from sparkcv import logs, storage
from sparkcv.driver import child_answer
from sparkcv.driver.picture_stage import PROGRESS, Made, PictureStage
from sparkcv.driver.score_input import FrozenInput
from sparkcv.driver.stylize_plan import StylizePlan, prepare
from sparkcv.errors import ClusterError, ImageError
from sparkcv.predict.rows import InputFiles
from sparkcv.predict.staging import Staging
from sparkcv.spark.stages import threads_a_task
from sparkcv.style import stylizing, transformer_weights
from sparkcv.style.stylizing import StylizeTask

__all__ = ["StylizePlan", "StylizeReport", "prepare", "run"]

_PROGRAM = "sparkcv.programs.stylize"
_LONGEST_S = 4 * 3600.0


@dataclasses.dataclass(frozen=True)
class StylizeReport:
    """What was made: of a folder ``made``, of a single picture its ``size``."""

    output: str
    style: str
    made: Made | None
    elapsed_s: float
    size: str = ""

    def __str__(self) -> str:
        rows = [
            *(self.made.rows() if self.made else [("pictures", self.size)]),
            ("style", self.style),
            ("output", self.output),
            ("took", logs.duration(self.elapsed_s)),
        ]
        return "\n".join(f"{name:<12} {text}" for name, text in rows)


def run(spark: SparkSession | None, plan: StylizePlan) -> StylizeReport:
    """Stylize what is planned.

    Raises:
        ImageError: the single picture is none, or too large or too small.
        DataError: two pictures of a folder whose outputs would have one name, or an output that does not fit the input.
        BudgetError: more rejects than ``bad_image_budget`` allows; what was made stays.
        AtWorkError: another run works in the output folder.
        PreemptedError: this process was told to end.
        ClusterError: the stage, or the process of a single picture, failed.
    """
    started_s = time.monotonic()
    if plan.files is None or spark is None:
        return _single(plan, started_s)
    return _folder(spark, plan, plan.files, started_s)


def _single(plan: StylizePlan, started_s: float) -> StylizeReport:
    config = plan.config
    with tempfile.TemporaryDirectory(prefix="sparkcv-style-") as scratch:
        weights = os.path.join(scratch, transformer_weights.FILE_NAME)
        storage.write_bytes(weights, transformer_weights.dump(plan.weights))
        task = _task(plan, weights, storage.parent(config.output), keeps=False)
        name = storage.basename(config.output)
        answer = _ask({"task": dataclasses.asdict(task), "name": name, "url": config.input})
    if answer.get("reason"):
        raise ImageError(f"--input: {config.input!r} is rejected, {answer['reason']}")
    size = f"{answer['width']}x{answer['height']} pixels"
    return StylizeReport(config.output, str(config.style), None, time.monotonic() - started_s, size)


def _ask(asked: dict[str, Any]) -> dict[str, Any]:
    """Have a process that has TensorFlow do it; return what it says."""
    what, env = f"stylizes {asked['url']!r}", {"CUDA_VISIBLE_DEVICES": ""}
    try:
        return child_answer.ask(_PROGRAM, json.dumps(asked), what, limit_s=_LONGEST_S, env=env)
    except subprocess.TimeoutExpired as err:
        raise ClusterError(f"{asked['url']!r} was not stylized within {_LONGEST_S:.0f} s") from err


def _folder(spark: SparkSession, plan: StylizePlan, files: InputFiles, started_s: float) -> StylizeReport:
    config = plan.config
    stage = PictureStage(
        name="stylize",
        flag="input",
        files=files,
        output=config.output,
        settings=plan.settings(),
        file_format=config.format,
        overwrite=config.overwrite,
        bad_image_budget=config.bad_image_budget,
        num_partitions=config.num_partitions,
        port_range=config.port_range,
        imports="sparkcv.style.strips",
    )

    def work(frozen: FrozenInput, staging: Staging) -> Any:
        weights_url = staging.join(transformer_weights.FILE_NAME)
        storage.write_bytes(weights_url, transformer_weights.dump(plan.weights))
        task = dataclasses.replace(
            _task(plan, weights_url, config.output),
            num_threads=config.num_intra_op_threads or threads_a_task(spark),
            pieces_url=frozen.pieces_url,
            progress_url=staging.join(PROGRESS),
        )
        return functools.partial(stylizing.stylize_piece, task)

    made = stage.run(spark, work)
    return StylizeReport(config.output, str(config.style), made, time.monotonic() - started_s)


def _task(plan: StylizePlan, weights_url: str, output_url: str, *, keeps: bool = True) -> StylizeTask:
    config = plan.config
    return StylizeTask(
        weights_url=weights_url,
        digest=plan.weights.digest,
        output_url=output_url,
        rules=plan.rules,
        format=config.format,
        quality=config.quality,
        strip_pixels=config.strip_pixels,
        num_threads=config.num_intra_op_threads,
        keeps=keeps,
    )
