"""Style transfer by optimization over a folder: each picture exactly once, in a process of its own below a task."""

import dataclasses
import functools
import json
import time
from typing import Any

from pyspark.sql import SparkSession

from sparkcv import logs, storage
from sparkcv.config import StyleTransferConfig
from sparkcv.driver.picture_folder import check_parent, check_prior, refuse_of_folder
from sparkcv.driver.picture_stage import PROGRESS, Made, PictureStage
from sparkcv.driver.score_input import FrozenInput
from sparkcv.driver.stage_session import stage_session
from sparkcv.errors import UsageError
from sparkcv.predict import publish, rows
from sparkcv.predict.rows import InputFiles, content
from sparkcv.predict.staging import Staging
from sparkcv.preprocess.picture_file import PictureRules
from sparkcv.spark.session import SessionSpec
from sparkcv.spark.stages import threads_a_task
from sparkcv.style import transferring
from sparkcv.style.task import TransferTask
from sparkcv.style.transferring import FolderTask

__all__ = ["StyleFolderReport", "TransferFolder", "is_folder", "plan", "refuse_flags"]

_OF_ONE = ("checkpoint_output", "report_dir")
_OF_FOLDER = ("format", "num_partitions", "cluster_size", "port_range", "bad_image_budget", "executor_memory_mb")


@dataclasses.dataclass(frozen=True)
class StyleFolderReport:
    """What was made of a folder."""

    output: str
    made: Made
    elapsed_s: float

    def __str__(self) -> str:
        rows_ = [
            *self.made.rows(),
            ("output", self.output),
            ("took", logs.duration(self.elapsed_s)),
        ]
        return "\n".join(f"{name:<12} {text}" for name, text in rows_)


@dataclasses.dataclass(frozen=True)
class TransferFolder:
    """A run over a folder that can start: its flags, what all its pictures have in common, its input and output."""

    config: StyleTransferConfig
    task: TransferTask
    files: InputFiles
    output: str

    def settings(self) -> dict[str, Any]:
        """Return what the pictures made depend on."""
        left_out = ("content", "output", "metrics", "print_iterations", "num_threads", "memory_mb")
        kept = {name: value for name, value in dataclasses.asdict(self.task).items() if name not in left_out}
        asked = {"content": self.files.input, "format": self.config.format, **kept}
        read_back: dict[str, Any] = json.loads(json.dumps(asked))  # tuples come as lists
        return read_back

    def session(self) -> SessionSpec:
        """Return what the run needs of Spark."""
        return stage_session("sparkcv styletransfer", self.config, self.config.memory_mb * 1e6)

    def run(self, spark: SparkSession) -> StyleFolderReport:
        """Make all pictures; raises what :class:`~.picture_stage.PictureStage` does."""
        started_s, config = time.monotonic(), self.config
        stage = PictureStage(
            name="styletransfer",
            flag="content",
            files=self.files,
            output=self.output,
            settings=self.settings(),
            file_format=config.format,
            overwrite=config.overwrite,
            bad_image_budget=config.bad_image_budget,
            num_partitions=config.num_partitions,
            port_range=config.port_range,
        )

        def work(frozen: FrozenInput, staging: Staging) -> Any:
            task = FolderTask(
                dataclasses.replace(self.task, num_threads=config.num_threads or threads_a_task(spark)),
                PictureRules(config.max_pixels),
                self.output,
                config.format,
                frozen.pieces_url,
                staging.join(PROGRESS),
                staging.join("made"),
            )
            return functools.partial(transferring.transfer_piece, task)

        made = stage.run(spark, work)
        return StyleFolderReport(self.output, made, time.monotonic() - started_s)


def is_folder(given: str) -> bool:
    """Return whether ``--content`` is a folder or a pattern, not one picture."""
    return any(sign in given for sign in "*?[") or storage.is_dir(storage.resolve(given))


def refuse_flags(config: StyleTransferConfig) -> None:
    """Raise UsageError for a flag of a folder's run where ``--content`` is one picture."""
    refuse_of_folder(config, _OF_FOLDER, f"--content {config.content!r}")


def plan(config: StyleTransferConfig, task: TransferTask) -> TransferFolder:
    """Check all that can be checked without Spark, TensorFlow or a whole listing.

    Raises:
        UsageError: flags of a single picture, an input that is no pictures, an output within it.
        MissingFileError, DataError: no input, or none in it; no folder for the output.
        FileExistsAlreadyError: the output is there, of another input or setting, or not ours.
    """
    for name in _OF_ONE:
        if getattr(config, name):
            raise UsageError(f"--{name} is of one picture, --content {config.content!r} is a folder")
    files, output = rows.find_input(config.content), storage.resolve(config.output)
    if files.kind != content.PICTURES:
        raise UsageError(f"--content: {files.input!r} holds {files.kind}, wanted a picture or a folder of pictures")
    publish.hadoop_url(output)
    check_parent(output)
    if files.holds(output):
        raise UsageError(f"--output: {output!r} lies in --content {files.input!r}, so output would become input")
    made = TransferFolder(config, task, files, output)
    check_prior(output, made.settings(), overwrite=config.overwrite)
    storage.check_writable(output)
    return made
