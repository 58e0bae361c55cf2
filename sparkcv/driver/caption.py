"""Captions of pictures as a job: everything checked first, then one process that has TensorFlow."""

import dataclasses
import json
import os
import subprocess
from typing import Any

from sparkcv import logs, storage
from sparkcv.caption import vocabulary
from sparkcv.caption.caption_task import CaptionTask, PictureCaptions
from sparkcv.caption.vocabulary import Vocabulary
from sparkcv.config import CaptionConfig
from sparkcv.driver.net_flags import check_image_size
from sparkcv.errors import CheckpointError, ClusterError, DataError, MissingFileError, SparkcvError, UsageError, by_name
from sparkcv.launchers.python_module import start_module
from sparkcv.rundir import checkpoint, checkpoint_model
from sparkcv.rundir.description import RunDescription
from sparkcv.storage.clutter import is_clutter

__all__ = ["CaptionPlan", "CaptionsFound", "prepare", "run"]

_PROGRAM = "sparkcv.programs.caption"
_PUBLISHED_ENCODER = "inception_v3"

_log = logs.get(__name__)


@dataclasses.dataclass(frozen=True)
class CaptionPlan:
    """What the process is asked to do."""

    task: CaptionTask

    def session(self) -> None:
        """Return None: no Spark is needed."""


@dataclasses.dataclass(frozen=True)
class CaptionsFound:
    """The captions of all pictures, as the job prints them."""

    pictures: tuple[PictureCaptions, ...]

    def __str__(self) -> str:
        return "\n".join(map(str, self.pictures))


def prepare(config: CaptionConfig) -> CaptionPlan:
    """Check input, checkpoint and vocabulary without TensorFlow.

    Raises:
        MissingFileError: the input, the checkpoint or the vocabulary is not there.
        DataError: a folder without pictures, a vocabulary that is none.
        CheckpointError: a checkpoint that is not whole.
        UsageError: a net that there is not, or a vocabulary that must be named.
    """
    pictures = _pictures(storage.resolve(config.input))
    found = checkpoint.locate(checkpoint_model.resolve(config.checkpoint_path))
    if found.kind:
        raise CheckpointError(
            f"--checkpoint_path {found.prefix_url} is a {found.kind}, wanted a checkpoint of captions"
        )
    told = RunDescription.read(storage.parent(found.prefix_url), pass_over_foreign=True) or RunDescription()
    model_name = config.model_name or told.model_name or _PUBLISHED_ENCODER
    preprocessing = config.preprocessing_name or told.preprocessing_name
    size = config.image_size or told.train_image_size
    check_image_size(model_name, size, preprocessing)
    task = CaptionTask(
        checkpoint=found.prefix_url,
        pictures=pictures,
        words=_vocabulary(config, told, found.prefix_url).words,
        model_name=model_name,
        preprocessing_name=preprocessing,
        image_size=size,
        formats=config.formats,
        max_pixels=config.max_pixels,
        beam_size=config.beam_size,
        max_words=config.max_words,
        length_normalization=config.length_normalization,
        batch_size=config.batch_size,
    )
    return CaptionPlan(task)


def run(spark: None, plan: CaptionPlan) -> CaptionsFound:
    """Caption the pictures in a process of its own.

    Raises:
        CheckpointError: a checkpoint of something else, of another encoder or another vocabulary.
        DataError: no picture could be read.
        ClusterError: the process died.
    """
    del spark
    env = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    pipe = subprocess.PIPE
    with start_module(_PROGRAM, [], env, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            said, complaint = process.communicate(plan.task.to_json() + "\n")
        finally:
            process.kill()
    answers: list[dict[str, Any]] = [json.loads(line) for line in said.splitlines() if line.strip()]
    if answers and "error" in answers[-1]:
        raise (by_name(answers[-1]["kind"]) or SparkcvError)(answers[-1]["error"])
    if len(answers) != len(plan.task.pictures) + 1:
        last = logs.clean((complaint.strip().splitlines() or ["it said nothing"])[-1])[:300]
        raise ClusterError(f"the process that captions pictures ended with {process.returncode}: {last}")
    for line in (f"restored from {plan.task.checkpoint}:", *answers[0]["restored"]):
        _log.info("%s", logs.clean(line))
    found = tuple(
        PictureCaptions(
            logs.clean(each["name"]), tuple((logs.clean(text), p) for text, p in each["captions"]), each["reason"]
        )
        for each in answers[1:]
    )
    if all(each.reason for each in found):
        first = found[0]
        raise DataError(f"no picture of {len(found)} can be read; the first, {first.name!r}: {first.reason}")
    return CaptionsFound(found)


def _pictures(url: str) -> tuple[str, ...]:
    """Return the picture, or the files of the folder in order of their names."""
    if not storage.exists(url):
        raise MissingFileError(f"--input: no file or folder {url!r}, wanted a picture or a folder of pictures")
    if not storage.is_dir(url):
        return (url,)
    entries = storage.list_dir(url)
    found = tuple(sorted(entry.url for entry in entries if not entry.is_dir and not is_clutter(entry.name)))
    if not found:
        raise DataError(f"--input: {url!r} holds no files, wanted pictures")
    return found


def _vocabulary(config: CaptionConfig, told: RunDescription, prefix: str) -> Vocabulary:
    """Return the vocabulary that is named, or that of the training."""
    if config.vocabulary:
        return vocabulary.read_vocabulary(storage.resolve(config.vocabulary))
    beside = storage.join(storage.parent(prefix), vocabulary.FILE_NAME)
    if told.labels:
        try:
            return Vocabulary(tuple(told.labels))
        except DataError as err:
            raise DataError(f"{storage.parent(prefix)!r} is no training of captions: {err}") from err
    if storage.exists(beside):
        return vocabulary.read_vocabulary(beside)
    raise UsageError(
        f"--vocabulary is missing: {prefix!r} does not tell its words; wanted the word_counts.txt that it was trained"
        " with"
    )
