"""Captions of pictures as a job: everything checked first, then one process that has TensorFlow."""

import dataclasses

from sparkcv import logs, storage
from sparkcv.caption.caption_task import CaptionTask, PictureCaptions
from sparkcv.config import CaptionConfig
from sparkcv.driver import caption_net_flags, caption_process
from sparkcv.errors import DataError, MissingFileError
from sparkcv.storage.clutter import is_clutter

__all__ = ["CaptionPlan", "CaptionsFound", "prepare", "run"]

_PROGRAM = "sparkcv.programs.caption"


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

    Raises what :func:`.caption_net_flags.net_of` does, MissingFileError for no input, and DataError for a folder
    without files.
    """
    task = CaptionTask(
        pictures=_pictures(storage.resolve(config.input)),
        net=caption_net_flags.net_of(config),
        search=caption_net_flags.search_of(config),
        formats=config.formats,
        max_pixels=config.max_pixels,
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
    found = tuple(
        PictureCaptions(
            logs.clean(each["name"]), tuple((logs.clean(text), p) for text, p in each["captions"]), each["reason"]
        )
        for each in caption_process.ask(_PROGRAM, plan.task.to_json(), plan.task.net.checkpoint)
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
