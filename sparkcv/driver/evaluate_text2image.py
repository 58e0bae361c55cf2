"""The evaluation of pictures that were made from captions: what a classifier says of them, and of real ones."""

import dataclasses
import math
import os
import pathlib
import tempfile
from collections.abc import Sequence

import numpy as np
from PIL import Image

from sparkcv import logs, storage
from sparkcv.caption import caption_files
from sparkcv.caption.caption_files import NamedCaptions
from sparkcv.config import EvaluateText2ImageConfig
from sparkcv.config.normalization import OWN
from sparkcv.convert import sources
from sparkcv.driver import child_answer, generate, model_weights
from sparkcv.driver.net_flags import check_image_size, is_gray
from sparkcv.driver.text2image_report import write_page
from sparkcv.errors import CheckpointError, DataError, FileExistsAlreadyError, ImageError, MissingFileError, UsageError
from sparkcv.evaluate import curves
from sparkcv.preprocess import picture_file
from sparkcv.preprocess.picture_file import PictureRules
from sparkcv.rundir import checkpoint, checkpoint_model
from sparkcv.rundir.checkpoint import Found
from sparkcv.rundir.description import RunDescription
from sparkcv.text2image import picture_request, trained_gan
from sparkcv.text2image.agreement import agreement, classes_of, frechet_distance
from sparkcv.text2image.judge_task import JudgeTask
from sparkcv.text2image.picture_grid import grid
from sparkcv.text2image.trained_gan import TrainedGan

__all__ = ["MadePlan", "MadeReport", "prepare", "run"]

_PROGRAM = "sparkcv.programs.judge_pictures"
_COLUMNS, _SHOWN = 12, 96
_OF_OTHERS = {"text", "num_lstm_units"}  # flags of the trainings of pictures from captions, and of captions


@dataclasses.dataclass(frozen=True)
class MadePlan:
    """What is made and looked at: nets, captions with their real pictures, and by whom.

    ``labels`` are the judge's classes, ``features`` another net for the Frechet distance.
    """

    config: EvaluateText2ImageConfig
    gan: TrainedGan
    captions: tuple[str, ...]
    pictures: tuple[str, ...]
    judge: JudgeTask
    labels: tuple[str, ...]
    features: JudgeTask | None
    output_dir: str

    def session(self) -> None:
        """Return None: no Spark is needed."""


@dataclasses.dataclass(frozen=True)
class MadeReport:
    """What the judge says: shares in [0, 1], and the Frechet distance by the features of the net ``features``."""

    step: int
    num_pictures: int
    real: float
    agree: float
    better_than_shuffled: float
    frechet: float
    features: str
    output_dir: str

    def __str__(self) -> str:
        fits = f"{self.better_than_shuffled:.3f} fit their caption better than another's"
        if math.isnan(self.better_than_shuffled):
            fits = "not known: by chance no caption was compared with one of other classes"
        return "\n".join(
            [
                f"real pictures       {self.real:.3f} agree with their caption, by the classifier",
                f"made pictures       {self.agree:.3f} of {self.num_pictures} agree, by step {self.step}",
                f"fits better         {fits}",
                f"Frechet distance    {self.frechet:.3f} by the features of {self.features}",
                f"report              {logs.clean(storage.join(self.output_dir, 'report.html'))}",
            ]
        )


def prepare(config: EvaluateText2ImageConfig) -> MadePlan:
    """Check nets, judge, captions and output without TensorFlow.

    Raises:
        CheckpointError: a checkpoint of something else.
        DataError: captions that cannot be told to the nets, or that tell none of the judge's classes.
        FileExistsAlreadyError: the output folder is there and not empty.
        MissingFileError: a file of captions, or a picture, that is not there.
        UsageError: a judge of grey pictures, or of another normalization.
    """
    output_dir = storage.resolve(config.output_dir)
    if storage.exists(output_dir) and (not storage.is_dir(output_dir) or storage.list_dir(output_dir)):
        raise FileExistsAlreadyError(f"--output_dir: {output_dir!r} is there already; wanted a new or an empty folder")
    gan = trained_gan.find(config.checkpoint_path, config.vectors, config.max_words)
    judge, labels = _judge(config.judge_path)
    features = _features(config.features_path, config.features_model) if config.features_path else None
    url = storage.resolve(config.captions_file)
    images_dir = storage.resolve(config.images_dir) if config.images_dir else storage.parent(url)
    gan.texts.refuse_rows()  # their order is that of all captions of a file, and here some are drawn
    chosen = _drawn(url, config.max_pictures, config.seed)
    rng = np.random.default_rng((config.seed, 1))
    captions = tuple(each.captions[rng.integers(len(each.captions))] for each in chosen)
    for number, (each, caption) in enumerate(zip(chosen, captions, strict=True)):
        try:
            gan.texts.text_of(caption, number)
        except DataError as err:
            raise DataError(f"{url!r}, the picture {each.path!r}: {err}") from err
        if not classes_of(caption, labels):
            raise DataError(
                f"the caption {caption[:80]!r} has the name of none of the {len(labels)} classes of"
                f" {storage.parent(judge.checkpoint)!r}, such as {labels[0]!r}"
            )
    if len({classes_of(caption, labels) for caption in captions}) == 1:
        raise DataError(
            f"all {len(captions)} captions that were drawn of {url!r} tell the same classes, such as"
            f" {captions[0][:80]!r}; wanted others to compare with"
        )
    storage.check_writable(storage.parent(output_dir))
    pictures = tuple(sources.locate(each.path, images_dir) for each in chosen)  # as the conversion finds them
    for picture in pictures:
        if not storage.exists(picture) or storage.is_dir(picture):
            raise MissingFileError(f"{url!r} names a picture that is not there: no file {picture!r}")
    return MadePlan(config, gan, captions, pictures, judge, labels, features, output_dir)


def run(spark: None, plan: MadePlan) -> MadeReport:
    """Make the pictures, have all judged, and write the report.

    Raises CheckpointError for a checkpoint of other nets, ImageError for a real picture that cannot be decoded,
    ClusterError where a process died, and StorageError.
    """
    del spark
    config = plan.config
    with tempfile.TemporaryDirectory(prefix="sparkcv-made-") as scratch:
        made_dir, folder = os.path.join(scratch, "made"), os.path.join(scratch, "report")
        os.mkdir(made_dir)
        os.mkdir(folder)
        rows = picture_request.many(plan.gan.texts, plan.captions, config.num_pictures)
        rows = tuple(dataclasses.replace(row, draw=number) for number, row in enumerate(rows))
        real = {os.path.join(scratch, f"real-{number:05d}"): url for number, url in enumerate(plan.pictures)}
        for name, url in real.items():
            storage.fetch(url, name)
            _check_picture(name, url)
        made = [os.path.join(made_dir, name) for name in generate.make_pictures(plan.gan, rows, config.seed, made_dir)]
        seen = os.path.join(scratch, "seen.npz")
        try:
            probabilities, features = _look(plan.judge, [*made, *real], seen)
            if plan.features is not None:
                features = _look(plan.features, [*made, *real], seen)[1]
        except ImageError as err:
            names = [name for name in real if name in str(err)]
            raise ImageError(str(err).replace(names[0], real[names[0]]) if names else str(err)) from err
        captions = [caption for caption in plan.captions for _ in range(config.num_pictures)]
        fits = agreement(probabilities[: len(made)], captions, plan.labels, config.seed)
        of_real = agreement(probabilities[len(made) :], plan.captions, plan.labels, config.seed)
        distance = frechet_distance(features[: len(made)], features[len(made) :])
        by = "the classifier" if plan.features is None else plan.features.model_name
        report = MadeReport(plan.gan.step, len(made), of_real.top, fits.top, fits.better, distance, by, plan.output_dir)
        pixels = [np.asarray(Image.open(name).convert("RGB")) for name in made[:_SHOWN]]
        grid(pixels, _COLUMNS).save(os.path.join(folder, "grid.png"))
        said = {**dataclasses.asdict(report), "better_than_shuffled": fits.better if fits.num_compared else None}
        said |= {"checkpoint": plan.gan.checkpoint, "judge": plan.judge.checkpoint}
        said["features_checkpoint"] = (plan.features or plan.judge).checkpoint
        storage.write_json(os.path.join(folder, "evaluation.json"), said)
        shown = list(zip(made[:_SHOWN], captions, strict=False))
        write_page(os.path.join(folder, "report.html"), str(report), shown, curves.read(plan.gan.run_dir))
        if storage.exists(plan.output_dir):
            storage.delete(plan.output_dir)  # an empty folder
        storage.publish_dir(folder, plan.output_dir)
    return report


def _judge(path: str) -> tuple[JudgeTask, tuple[str, ...]]:
    """Return the classifier of a training, and its classes."""
    found, told = _located(path, "judge_path")
    if not told.model_name or not told.labels or not _OF_OTHERS.isdisjoint(told.config):
        raise CheckpointError(
            f"--judge_path: {storage.parent(found.prefix_url)!r} is no training of a classifier, by its run.json"
        )
    return _task(found, told, told.model_name, len(told.labels)), told.labels


def _features(path: str, model_name: str | None) -> JudgeTask:
    """Return the net whose features are taken."""
    found, told = _located(path, "features_path")
    name = model_name or told.model_name
    if not name:
        raise UsageError(f"--features_model is missing: {path!r} does not tell its net; wanted its name")
    if model_name and told.model_name not in (None, model_name):
        told = RunDescription()
    check_image_size(name, told.train_image_size, told.preprocessing_name)
    if is_gray(name, told.preprocessing_name, False):
        raise UsageError(f"--features_model: {name} looks at grey pictures; wanted a net of coloured ones")
    return _task(found, told, name, 0)


def _located(path: str, flag: str) -> tuple[Found, RunDescription]:
    try:
        found = checkpoint.locate(checkpoint_model.resolve(path))
    except (UsageError, CheckpointError) as err:
        raise type(err)(str(err).replace("--checkpoint_path", f"--{flag}")) from err
    told = model_weights.told_of(found, pass_over_foreign=True)
    for name, own in (("use_grayscale", False), ("normalization", OWN)):
        if (got := told.config.get(name, own)) != own:
            raise UsageError(f"--{flag}: it was trained with --{name} {got}; wanted a net without")
    return found, told


def _task(found: Found, told: RunDescription, model_name: str, num_classes: int) -> JudgeTask:
    size = told.train_image_size
    return JudgeTask(found.prefix_url, model_name, num_classes, told.preprocessing_name, size, (), "")


def _check_picture(name: str, url: str) -> None:
    """Raise ImageError for a picture, fetched to the file ``name``, that the judge would refuse behind the nets."""
    try:
        picture_file.read(pathlib.Path(name).read_bytes(), PictureRules())
    except ImageError as err:
        raise ImageError(f"{url!r} cannot be decoded: {err}") from err


def _look(judge: JudgeTask, pictures: Sequence[str], output: str) -> tuple[np.ndarray, np.ndarray]:
    task = dataclasses.replace(judge, pictures=tuple(pictures), output=output)
    child_answer.ask(_PROGRAM, task.to_json(), "judges pictures")
    with np.load(output, allow_pickle=False) as seen:
        return seen["probabilities"], seen["features"]


def _drawn(url: str, number: int, seed: int) -> list[NamedCaptions]:
    """Return so many of the pictures of a file that have a caption."""
    some = [each for each in caption_files.read_captions(url) if each.captions]
    if len(some) < 2:
        raise DataError(f"{url!r} has {len(some)} pictures with captions, wanted 2 at least")
    order = np.random.default_rng(seed).permutation(len(some))[:number]
    return [some[index] for index in order]
