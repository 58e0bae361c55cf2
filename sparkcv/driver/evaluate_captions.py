"""An evaluation of captions: a process tells the pictures of a split, and what it told is held against the records'."""

import base64
import collections
import dataclasses
import math
import time
from typing import Any

import sparkcv
from sparkcv import logs, storage
from sparkcv.caption import told_captions
from sparkcv.caption.caption_task import EvaluationTask
from sparkcv.caption.told_captions import CaptionScores, ToldPicture
from sparkcv.config import EvaluateCaptionsConfig
from sparkcv.driver import caption_net_flags, caption_process, caption_report
from sparkcv.driver.versions import versions
from sparkcv.errors import BudgetError, DataError
from sparkcv.evaluate import report
from sparkcv.records import shards
from sparkcv.records.captioned import IMAGE_DATA, IMAGE_ID
from sparkcv.records.example import FeatureNames
from sparkcv.records.reasons import allowed
from sparkcv.records.shards import Dataset

__all__ = ["EvaluateCaptionsPlan", "EvaluatedCaptions", "prepare", "run"]

RESULTS, REPORT = "evaluation.json", "report.html"
_PROGRAM = "sparkcv.programs.evaluate_captions"


@dataclasses.dataclass(frozen=True)
class EvaluateCaptionsPlan:
    """An evaluation that can start: its flags with full URLs, the split, and what the process is asked."""

    config: EvaluateCaptionsConfig
    dataset: Dataset
    task: EvaluationTask

    def session(self) -> None:
        """Return None: no Spark is needed."""


@dataclasses.dataclass(frozen=True)
class EvaluatedCaptions:
    """What an evaluation found, and where it lies; ``rejects`` are the numbers of bad records by their reasons."""

    plan: EvaluateCaptionsPlan
    told: tuple[ToldPicture, ...]
    scores: CaptionScores
    rejects: dict[str, int]
    elapsed_s: float

    @property
    def report_url(self) -> str:
        """The page for a person."""
        return storage.join(self.plan.config.eval_dir, REPORT)

    def to_dict(self) -> dict[str, Any]:
        """Return what ``evaluation.json`` holds."""
        config, dataset = self.plan.config, self.plan.dataset
        return {
            "sparkcv": sparkcv.__version__,
            "versions": versions(),
            "checkpoint": self.plan.task.net.checkpoint,
            "dataset": {"dir": dataset.dir, "name": dataset.name, "split": dataset.split, "digest": dataset.digest},
            "scores": dataclasses.asdict(self.scores),
            "rejects": self.rejects,
            "elapsed_s": round(self.elapsed_s, 3),
            "config": dataclasses.asdict(config),
        }

    def rows(self) -> list[tuple[str, str]]:
        """Return it for a table: names and texts."""
        return [
            ("checkpoint", logs.clean(self.plan.task.net.checkpoint)),
            *self.scores.rows(),
            *(("reject", f"{count} x {logs.clean(reason)}") for reason, count in self.rejects.items()),
            ("took", logs.duration(self.elapsed_s)),
            ("results", storage.join(self.plan.config.eval_dir, RESULTS)),
            ("report", self.report_url),
        ]

    def __str__(self) -> str:
        return "\n".join(f"{name:<12} {text}" for name, text in self.rows())


def prepare(config: EvaluateCaptionsConfig) -> EvaluateCaptionsPlan:
    """Check dataset, checkpoint, vocabulary and folder without TensorFlow.

    Raises what :func:`.caption_net_flags.net_of` does, DataError and StorageError for a dataset that is missing, empty
    or without captions, and UsageError where sacrebleu or pycocoevalcap is not installed.
    """
    told_captions.check_installed()
    config = dataclasses.replace(
        config, dataset_dir=storage.resolve(config.dataset_dir), eval_dir=storage.resolve(config.eval_dir)
    )
    dataset = shards.open_dataset(
        config.dataset_dir,
        config.dataset_name,
        config.dataset_split_name,
        FeatureNames(IMAGE_DATA, IMAGE_ID),
    )
    task = EvaluationTask(
        net=caption_net_flags.net_of(config, dataset.labels),
        search=caption_net_flags.search_of(config),
        shards=tuple((shard.url, shard.num_records) for shard in dataset.shards),
        max_pixels=config.max_pixels,
        batch_size=config.batch_size,
        sample_every=max(1, dataset.num_records // config.num_samples) if config.num_samples else 2**62,
    )
    storage.check_writable(config.eval_dir)
    return EvaluateCaptionsPlan(config, dataset, task)


def run(spark: None, plan: EvaluateCaptionsPlan) -> EvaluatedCaptions:
    """Evaluate, and write the page and then the results: who finds them finds both.

    Raises:
        CheckpointError: a checkpoint of something else, of another encoder or another vocabulary.
        DataError: no record could be read; BudgetError: more bad ones than ``bad_record_budget`` allows.
        ClusterError: the process died.
    """
    del spark
    started_s = time.monotonic()
    told, rejects = _ask(plan)
    num_bad, num_records = sum(rejects.values()), len(told) + sum(rejects.values())
    if not told:
        raise DataError(f"no record of {num_records} can be read: {next(iter(rejects), 'there is none')}")
    may_be_bad = math.ceil(allowed(plan.config.bad_record_budget, num_records))
    if num_bad > may_be_bad:
        most = max(rejects, key=lambda reason: rejects[reason])
        raise BudgetError(
            f"{num_bad} of {num_records} records are bad, --bad_record_budget {plan.config.bad_record_budget:g} allows"
            f" {may_be_bad}; the most frequent reason: {most} ({rejects[most]})"
        )
    pictures = tuple(told_captions.merged(told))
    done = EvaluatedCaptions(plan, pictures, told_captions.measure(pictures), rejects, time.monotonic() - started_s)
    report.write_report(done.report_url, caption_report.page(done))
    storage.write_json(storage.join(plan.config.eval_dir, RESULTS), done.to_dict())
    return done


def _ask(plan: EvaluateCaptionsPlan) -> tuple[list[ToldPicture], dict[str, int]]:
    """Return what the process told of each record, and the bad ones by their reasons."""
    told, rejects = [], collections.Counter[str]()
    progress = logs.Progress("evaluate", plan.dataset.num_records, "picture")
    try:
        for answer in caption_process.ask(_PROGRAM, plan.task.to_json(), plan.task.net.checkpoint):
            if "reason" in answer:
                rejects[answer["reason"]] += answer["num_records"]
            else:
                told.append(_picture(answer))
            progress.update(len(told) + sum(rejects.values()))
    finally:
        progress.close()
    return told, dict(rejects.most_common())


def _picture(answer: dict[str, Any]) -> ToldPicture:
    return ToldPicture(
        name=answer["name"],
        image_id=answer["image_id"],
        captions=tuple((text, p) for text, p in answer["captions"]),
        references=tuple(answer["references"]),
        log_probability=answer["log_probability"],
        num_words=answer["num_words"],
        thumbnail=base64.b64decode(answer["thumbnail"]),
    )
