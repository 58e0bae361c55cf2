"""The training of pictures from captions: that of a classifier with another program, on pictures with captions."""

import dataclasses
from typing import Any

from sparkcv.config import TrainText2ImageConfig
from sparkcv.config.train_text2image import CHARACTERS, VECTORS
from sparkcv.driver import checkpoint_checks, train, train_plan
from sparkcv.driver.caption_data import CaptionData, read_caption_data
from sparkcv.driver.fixed_net import check_same_flags
from sparkcv.driver.train_plan import TrainPlan
from sparkcv.driver.train_report import TrainReport
from sparkcv.errors import DataError
from sparkcv.records.captioned import CAPTION_IDS, IMAGE_DATA
from sparkcv.records.example import FeatureNames
from sparkcv.rundir import checkpoint
from sparkcv.text2image.gan_of_config import KEPT
from sparkcv.text2image.gan_spec import GENERATOR

__all__ = ["prepare", "run"]

PROGRAM = "sparkcv.programs.train_text2image:main"


def prepare(config: TrainText2ImageConfig) -> TrainPlan:
    """Check flags, dataset and run folder without Spark or TensorFlow.

    Raises what :func:`sparkcv.driver.train_plan.prepare` does, DataError for a dataset without captions, with one
    caption only, or without the vectors that are asked for, and UsageError for a folder of a run of other sizes.
    """
    data = read_caption_data(config.dataset_dir, config.dataset_split_name)
    names = _names_of(config.text, data, str(config.dataset_dir))
    # The classifier's checks of scopes know its variables, not those of generator and discriminator.
    plan = train_plan.prepare(dataclasses.replace(config, learning_rate_scales=None))
    settled = dataclasses.replace(plan.config, learning_rate_scales=config.learning_rate_scales)
    check_same_flags(settled, KEPT)
    if plan.step and names.vector:
        _check_vectors(str(settled.train_dir), names.vector, str(config.dataset_dir))
    dataset = dataclasses.replace(plan.dataset, features=names)
    return dataclasses.replace(plan, config=settled, dataset=dataset, program=PROGRAM)


def run(spark: Any, plan: TrainPlan) -> TrainReport:
    """Train the nets of ``plan`` on the executors of ``spark``, and prove what was left.

    Raises what :func:`sparkcv.driver.train.run` does.
    """
    return train.run(spark, plan)


def _check_vectors(train_dir: str, size: int, where: str) -> None:
    """Raise DataError where the run that is to go on was trained on vectors of another length."""
    index = checkpoint_checks.index_of(checkpoint.locate(train_dir))
    trained = index.tensors.get(f"{GENERATOR}/text/weights") if index is not None else None
    if trained is not None and trained.shape[0] != size:
        raise DataError(
            f"{where!r} has vectors of {size} numbers, the run of {train_dir!r} was trained on vectors of"
            f" {trained.shape[0]}; wanted the same, or another --train_dir"
        )


def _names_of(text: str, data: CaptionData, where: str) -> FeatureNames:
    """Return how records are read with ``--text``; raises DataError for data that cannot be trained on."""
    if not data.most_captions:
        raise DataError(
            f"{where!r} does not tell how many captions a picture has; wanted a dataset that `sparkcv convertcaptions`"
            " of this version wrote"
        )
    if data.num_different < 2:
        raise DataError(
            f"{where!r} has the same captions for all pictures; wanted different ones, as a picture of another"
            " caption is shown too"
        )
    if text == VECTORS and not data.vector:
        raise DataError(
            f"--text {text}: {where!r} has no vectors of its captions; wanted a dataset that `sparkcv convertcaptions"
            " --vectors` wrote, or --text words"
        )
    vector = data.vector if text == VECTORS else 0
    return FeatureNames(
        IMAGE_DATA,
        CAPTION_IDS,
        longest=data.longest,
        digests=data.most_captions,
        vector=vector,
        characters=text == CHARACTERS,
    )
