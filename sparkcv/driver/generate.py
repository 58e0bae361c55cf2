"""Pictures from captions as a job: everything checked first, then one process that has TensorFlow."""

import dataclasses
import os
import tempfile

import numpy as np
from PIL import Image

from sparkcv import logs, storage
from sparkcv.config import GenerateConfig
from sparkcv.driver import child_answer
from sparkcv.errors import FileExistsAlreadyError, UsageError
from sparkcv.text2image import picture_request, trained_gan
from sparkcv.text2image.picture_grid import grid
from sparkcv.text2image.picture_task import PictureTask, Row
from sparkcv.text2image.trained_gan import TrainedGan

__all__ = ["GeneratePlan", "GeneratedPictures", "make_pictures", "prepare", "run"]

_PROGRAM = "sparkcv.programs.generate"
_MOST_PICTURES = 100_000  # which the grid holds in memory: of 64 pixels 1.2 GB

_log = logs.get(__name__)


@dataclasses.dataclass(frozen=True)
class GeneratePlan:
    """What is made: rows, the caption of each, and how many stand in a line of the grid."""

    gan: TrainedGan
    rows: tuple[Row, ...]
    captions: tuple[str, ...]
    columns: int
    seed: int
    output_dir: str

    def session(self) -> None:
        """Return None: no Spark is needed."""


@dataclasses.dataclass(frozen=True)
class GeneratedPictures:
    """What was made, and where."""

    output_dir: str
    num_pictures: int
    step: int

    def __str__(self) -> str:
        return f"{self.num_pictures} pictures and grid.png in {logs.clean(self.output_dir)}, by step {self.step}"


def prepare(config: GenerateConfig) -> GeneratePlan:
    """Check captions, checkpoint and output without TensorFlow.

    Raises:
        CheckpointError: what is no checkpoint of such a training.
        DataError: a caption that cannot be told to the nets, a file of captions that is none, or vectors that are none.
        FileExistsAlreadyError: the output folder is there and not empty.
        UsageError: vectors that are missing, or of no use, and too many pictures.
    """
    output_dir = storage.resolve(config.output_dir)
    if storage.exists(output_dir) and (not storage.is_dir(output_dir) or storage.list_dir(output_dir)):
        raise FileExistsAlreadyError(f"--output_dir: {output_dir!r} is there already; wanted a new or an empty folder")
    gan = trained_gan.find(config.checkpoint_path, config.vectors, config.max_words)
    given = [config.caption] if config.caption is not None else []
    if config.captions_file:
        given = list(picture_request.read_lines(storage.resolve(config.captions_file)))
    if len(given) * config.num_pictures > _MOST_PICTURES:
        raise UsageError(
            f"--num_pictures {config.num_pictures}: of {len(given)} captions got {len(given) * config.num_pictures:,}"
            f" pictures, wanted {_MOST_PICTURES:,} at most; give the captions in several calls"
        )
    wanted = picture_request.request(gan.texts, given, config.to_caption, config.num_pictures)
    for caption, words in wanted.unknown.items():
        _log.warning("the nets do not know %s of the caption %r", ", ".join(words[:5]), logs.clean(caption[:80]))
    storage.check_writable(storage.parent(output_dir))
    columns = config.columns or config.num_pictures
    return GeneratePlan(gan, wanted.rows, wanted.captions, columns, config.seed, output_dir)


def run(spark: None, plan: GeneratePlan) -> GeneratedPictures:
    """Make the pictures and publish them at once.

    Raises CheckpointError for a checkpoint of other nets, ClusterError where the process died, and StorageError.
    """
    del spark
    with tempfile.TemporaryDirectory(prefix="sparkcv-pictures-") as scratch:
        folder = os.path.join(scratch, "pictures")
        os.mkdir(folder)
        names = make_pictures(plan.gan, plan.rows, plan.seed, folder)
        pictures = [np.asarray(Image.open(os.path.join(folder, name)).convert("RGB")) for name in names]
        grid(pictures, plan.columns).save(os.path.join(folder, "grid.png"))
        told = [{"file": name, "caption": caption} for name, caption in zip(names, plan.captions, strict=True)]
        said = {"checkpoint": plan.gan.checkpoint, "step": plan.gan.step, "seed": plan.seed, "pictures": told}
        storage.write_json(os.path.join(folder, "pictures.json"), said)
        if storage.exists(plan.output_dir):
            storage.delete(plan.output_dir)  # an empty folder
        storage.publish_dir(folder, plan.output_dir)
    return GeneratedPictures(plan.output_dir, len(names), plan.gan.step)


def make_pictures(gan: TrainedGan, rows: tuple[Row, ...], seed: int, folder: str) -> list[str]:
    """Write the PNGs of rows into a folder of this machine, by a process of its own; return their names in order."""
    task = PictureTask(gan.checkpoint, gan.spec, rows, seed, folder)
    made = child_answer.ask(_PROGRAM, task.to_json(), "makes pictures")["made"]
    return [f"{number:05d}.png" for number in range(made)]
