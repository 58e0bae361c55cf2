"""Fast style transfer: one picture in a process of its own, or a folder as one Spark stage, each picture exactly once.

A task gets the number of its piece; lists, pictures and net it reads itself, through storage, and what it makes it
writes there: no picture crosses the border between Spark's JVM and Python. Each output appears whole or not at all, so
that one which is there is done: a run that was stopped goes on where it was.
"""

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
from sparkcv.config import ScoreConfig
from sparkcv.driver import score_input
from sparkcv.driver.score_input import FrozenInput
from sparkcv.driver.stylize_plan import SETTINGS, StylizePlan, prepare
from sparkcv.driver.told_to_end import preempted
from sparkcv.errors import AtWorkError, BudgetError, ClusterError, DataError, ImageError, SparkcvError, by_name
from sparkcv.launchers.python_module import start_module
from sparkcv.predict import publish
from sparkcv.predict.rows import InputFiles
from sparkcv.predict.schema import ddl
from sparkcv.predict.staging import Staging
from sparkcv.predict.task_progress import num_running_rows
from sparkcv.spark.errors import translated
from sparkcv.spark.job_group import job_group
from sparkcv.spark.python_daemon import imported_first
from sparkcv.spark.stage_progress import StageProgress
from sparkcv.spark.stages import map_pieces, num_done_tasks, threads_a_task
from sparkcv.style import stylizing, transformer_weights
from sparkcv.style.stylizing import StylizeTask
from sparkcv.tokens.server import TokenServerAddress, with_tokens
from sparkcv.tokens.stage import let_in

__all__ = ["RESULTS", "StylizePlan", "StylizeReport", "prepare", "run"]

RESULTS = "_results"

_PROGRAM = "sparkcv.programs.stylize"
_AS_DAY = "0000-00-00"  # one run at a time works in a folder, as one does on a day of scores
_LONGEST_S = 4 * 3600.0
_THEN = "the pictures that were made stay, the same command makes the others"


@dataclasses.dataclass(frozen=True)
class StylizeReport:
    """What was made: ``num_made`` pictures, ``num_earlier`` of them there already, and rejects by their reason."""

    output: str
    style: str
    num_made: int
    num_earlier: int
    rejects: dict[str, int]
    elapsed_s: float
    size: str = ""

    def __str__(self) -> str:
        rejected = sum(self.rejects.values())
        what = self.size or f"{self.num_made} made, {rejected} rejected"
        rows = [
            ("pictures", what),
            *(("reject", f"{count} x {logs.clean(reason)}") for reason, count in self.rejects.items()),
            *([("earlier", f"{self.num_earlier} of them were there already")] if self.num_earlier else []),
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
    config = plan.config
    try:
        with (
            preempted(lambda: f"and stopped: {_THEN}"),
            Staging(config.output, _AS_DAY, overwrite=True) as staging,
            job_group(spark, f"stylize {config.input}"),
            imported_first(spark, "sparkcv.style.strips"),
            let_in(spark, config.port_range, _THEN) as place,
        ):
            if config.overwrite:
                _clear(config.output)
            storage.write_json(storage.join(config.output, SETTINGS), plan.settings())
            return _folder(spark, plan, plan.files, staging, place, started_s)
    except AtWorkError as err:
        raise AtWorkError(str(err).replace(f"{_AS_DAY} is being scored", "pictures are being stylized")) from err


def _clear(output: str) -> None:
    """Delete what an earlier run made, what says so first; the run's own files are hidden."""
    storage.delete(storage.join(output, SETTINGS))
    for entry in storage.list_dir(output):
        if not entry.name.startswith("."):
            storage.delete(entry.url, recursive=True)


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
    return StylizeReport(config.output, str(config.style), 1, 0, {}, time.monotonic() - started_s, size)


def _ask(asked: dict[str, Any]) -> dict[str, Any]:
    """Have a process that has TensorFlow do it; return what it says."""
    env = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    pipe = subprocess.PIPE
    with start_module(_PROGRAM, [], env, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            said, complaint = process.communicate(json.dumps(asked), _LONGEST_S)
        except subprocess.TimeoutExpired as err:
            raise ClusterError(f"{asked['url']!r} was not stylized within {_LONGEST_S:.0f} s") from err
        finally:
            process.kill()
    if process.returncode != 0 or not said.strip():
        last = logs.clean((complaint.strip().splitlines() or ["it said nothing"])[-1])[:300]
        raise ClusterError(f"the process that stylizes {asked['url']!r} ended with {process.returncode}: {last}")
    answer: dict[str, Any] = json.loads(said.strip().splitlines()[-1])
    if "error" in answer:
        raise (by_name(answer["kind"]) or SparkcvError)(answer["error"])
    return answer


def _folder(
    spark: SparkSession,
    plan: StylizePlan,
    files: InputFiles,
    staging: Staging,
    place: TokenServerAddress | None,
    started_s: float,
) -> StylizeReport:
    config = plan.config
    weights_url = staging.join(transformer_weights.FILE_NAME)
    storage.write_bytes(weights_url, transformer_weights.dump(plan.weights))
    flags = ScoreConfig(
        input=config.input,
        model_dir=str(config.style),
        output_dir=config.output,
        num_partitions=config.num_partitions,
        batch_size=1,
        keep_columns="none",
    )
    frozen = score_input.freeze(spark, flags, files, staging, place)
    _refuse_one_name(spark, plan, frozen, place)
    task = dataclasses.replace(
        _task(plan, weights_url, config.output),
        num_threads=config.num_intra_op_threads or threads_a_task(spark),
        pieces_url=frozen.pieces_url,
        progress_url=staging.join("progress"),
    )
    work = with_tokens(place, functools.partial(stylizing.stylize_piece, task))
    count_done = num_done_tasks(spark)
    running = functools.partial(num_running_rows, task.progress_url, 1)
    results = staging.join(RESULTS)
    with translated(), StageProgress("stylize", frozen.num_rows, frozen.num_pieces, count_done, running):
        made = map_pieces(spark, frozen.num_pieces, work, ddl(stylizing.RESULTS))
        made.write.parquet(publish.hadoop_url(results))
    with translated():
        written = spark.read.schema(ddl(stylizing.RESULTS)).parquet(publish.hadoop_url(results, reading=True))
        ids = score_input.ids(spark, frozen, place)
        counts = publish.reconcile(ids, written.where("reason IS NULL"), written.where("reason IS NOT NULL"))
        num_earlier = written.where("is_earlier").count()
    _publish(config.output, results)
    _check_budget(frozen.num_rows, counts.rejects, config.bad_image_budget, config.output)
    elapsed_s = time.monotonic() - started_s
    rejects = counts.reasons or counts.rejects
    return StylizeReport(config.output, str(config.style), counts.num_predictions, num_earlier, rejects, elapsed_s)


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


def _refuse_one_name(
    spark: SparkSession, plan: StylizePlan, frozen: FrozenInput, place: TokenServerAddress | None
) -> None:
    """Raise DataError where two pictures would become one file, as ``a.gif`` and ``a.gif.png`` would."""
    names = functools.partial(stylizing.names_of_piece, frozen.pieces_url, plan.config.format)
    with translated():
        listed = map_pieces(spark, frozen.num_pieces, with_tokens(place, names), "output string")
        twice = listed.groupBy("output").count().where("count > 1").limit(1).collect()
    if twice:
        raise DataError(
            f"--input: {plan.config.input!r} has {twice[0]['count']} pictures whose output would be called"
            f" {twice[0]['output']!r}; wanted names of their own, or another --format"
        )


def _publish(output: str, results: str) -> None:
    """Put the table of all pictures, made and rejected, where it is read; that of an earlier run goes."""
    target = storage.join(output, RESULTS)
    if storage.exists(target):
        storage.delete(target, recursive=True)
    storage.rename(results, target)


def _check_budget(num_rows: int, rejects: dict[str, int], budget: float, output: str) -> None:
    rejected = sum(rejects.values())
    if rejected > budget * num_rows or rejected == num_rows:
        most = max(rejects, key=lambda head: rejects[head])
        raise BudgetError(
            f"{rejected} of {num_rows} pictures were rejected, --bad_image_budget {budget:g} allows"
            f" {min(int(budget * num_rows), num_rows - 1)}; the most frequent reason is {most!r} ({rejects[most]});"
            f" {storage.join(output, RESULTS)!r} has them all, and what was made stays"
        )
