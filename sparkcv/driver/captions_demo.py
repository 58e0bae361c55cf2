"""The chain of captions in one go, on scenes that it draws: convert, train, evaluate on what was never trained.

Nothing is a stand-in: the same driver functions as the jobs call, a role process on a Spark executor. What a caption
has right is read back from its words, and held against the scene that was drawn.
"""

import dataclasses
import pathlib
import time
from collections.abc import Sequence
from typing import Any

from sparkcv import logs, scenes
from sparkcv.config import (
    CaptionsDemoConfig,
    ConvertCaptionsConfig,
    EvaluateCaptionsConfig,
    TrainCaptionsConfig,
)
from sparkcv.driver import convert_captions, evaluate_captions, train_captions
from sparkcv.driver.demo_folder import make_folder, say, show
from sparkcv.driver.evaluate_captions import EvaluatedCaptions
from sparkcv.errors import DataError
from sparkcv.scenes import CaptionAgreement, Scene
from sparkcv.spark.session import SessionSpec

__all__ = ["CaptionsDemoPlan", "CaptionsDemoReport", "prepare", "run"]

_PARTS = 4
_TRAIN = "train"
_DRAWN = {_TRAIN: scenes.SEEN, "seen": scenes.SEEN, "unseen": scenes.UNSEEN_COMBINATIONS}
"""What is drawn, by the name of its split; each from a seed of its own."""


@dataclasses.dataclass(frozen=True)
class CaptionsDemoPlan:
    """A demo that can start: its flags, and the empty folder that it works in."""

    config: CaptionsDemoConfig
    work: pathlib.Path

    def session(self) -> SessionSpec:
        """Return what the demo needs of Spark: one executor, for the one worker."""
        return SessionSpec("sparkcv captionsdemo", num_executors=1)


@dataclasses.dataclass(frozen=True)
class SplitResult:
    """What was found on the scenes of a split: the evaluation, and what each best caption has right."""

    evaluated: EvaluatedCaptions
    agreements: tuple[CaptionAgreement, ...]

    @property
    def bleu(self) -> float:
        """BLEU-4."""
        return self.evaluated.scores.bleu[3]

    @property
    def share(self) -> float:
        """The share of colours, shapes and places that are right."""
        return sum(one.share for one in self.agreements) / len(self.agreements)

    def __str__(self) -> str:
        number = len(self.agreements)
        colors, shapes = (sum(getattr(one, name) for one in self.agreements) / 2 for name in ("colors", "shapes"))
        place = sum(one.place for one in self.agreements)
        return (
            f"BLEU-4 {self.bleu:.3f}, attributes {self.share:.3f} (colour {colors / number:.3f}, shape"
            f" {shapes / number:.3f}, place {place / number:.3f}) on {number} scenes"
        )


@dataclasses.dataclass(frozen=True)
class CaptionsDemoReport:
    """What the demo did; its text is the table at the end."""

    seen: SplitResult
    unseen: SplitResult
    facts: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        return "\n" + "\n".join(f"{name:<12} {text}" for name, text in self.facts)


def prepare(config: CaptionsDemoConfig) -> CaptionsDemoPlan:
    """Make the empty work folder; raises what :func:`.demo_folder.make_folder` does."""
    return CaptionsDemoPlan(config, make_folder(config.work_dir, config))


def run(spark: Any, plan: CaptionsDemoPlan) -> CaptionsDemoReport:
    """Run the chain in the folder of ``plan``.

    Raises:
        DataError: BLEU or attributes fall short of what the flags want.
        SparkcvError: whatever a job of the chain raises.
    """
    started_s = time.monotonic()
    config, work = plan.config, plan.work
    say(1, _PARTS, f"drawing {config.num_train} scenes, and twice {config.num_test} that are held out, into {work}")
    drawn = {
        split: scenes.write_scenes(
            work / "scenes" / split,
            config.num_train if split == _TRAIN else config.num_test,
            config.seed * len(_DRAWN) + number,
            size=config.image_size,
            part=part,
            # Of two sentences a net must first find out which it tells: one is learned in a fraction of the steps.
            captions=1 if split == _TRAIN else 2,
        )
        for number, (split, part) in enumerate(_DRAWN.items())
    }
    say(2, _PARTS, "converting them to shards")
    for split in _DRAWN:
        show(convert_captions.run(spark, convert_captions.prepare(_convert_config(config, work, split))))
    say(3, _PARTS, f"training {config.model_name} with captions by one worker")
    trained = train_captions.run(spark, train_captions.prepare(_train_config(config, work)))
    show(trained)
    say(4, _PARTS, "evaluating on the scenes that are held out, and on combinations that were never trained")
    results = [_evaluated(config, work, split, drawn[split]) for split in _DRAWN if split != _TRAIN]
    seen, unseen = results
    report = CaptionsDemoReport(
        seen,
        unseen,
        (
            ("seen", f"{seen}"),
            ("unseen", f"{unseen}: combinations of colour and shape that were never trained"),
            ("training", f"{trained.images_per_s:.1f} images/s, {trained.num_images} images, to step {trained.step}"),
            ("scenes", str(work / "scenes")),
            ("run", str(work / "run")),
            ("report", f"{seen.evaluated.report_url} and {unseen.evaluated.report_url}"),
            ("took", logs.duration(time.monotonic() - started_s)),
        ),
    )
    _check(config, report)
    return report


def _evaluated(config: CaptionsDemoConfig, work: pathlib.Path, split: str, drawn: Sequence[Scene]) -> SplitResult:
    done = evaluate_captions.run(None, evaluate_captions.prepare(_evaluate_config(config, work, split)))
    told = {picture.name: picture.best for picture in done.told}
    names = [scenes.picture_name(_DRAWN[split], index) for index in range(len(drawn))]
    pairs = zip(names, drawn, strict=True)
    return SplitResult(done, tuple(scenes.compare(told[name], scene) for name, scene in pairs))


def _check(config: CaptionsDemoConfig, report: CaptionsDemoReport) -> None:
    wanted = (
        ("BLEU-4 on held-out scenes", report.seen.bleu, config.min_bleu),
        ("the share of right attributes on held-out scenes", report.seen.share, config.min_seen),
        ("the share of right attributes on unseen combinations", report.unseen.share, config.min_unseen),
    )
    for what, got, least in wanted:
        if got < least:
            show(report)
            raise DataError(f"{what} is {got:.3f}, wanted {least} or more")


def _convert_config(config: CaptionsDemoConfig, work: pathlib.Path, split: str) -> ConvertCaptionsConfig:
    return ConvertCaptionsConfig(
        captions_file=str(work / "scenes" / split / "captions.csv"),
        dataset_dir=str(work / "data"),
        dataset_name="scenes",
        dataset_split_name=split,
        num_shards=4 if split == _TRAIN else 1,
        seed=config.seed,
        cluster_size=1,
    )


def _train_config(config: CaptionsDemoConfig, work: pathlib.Path) -> TrainCaptionsConfig:
    return TrainCaptionsConfig(
        dataset_dir=str(work / "data"),
        dataset_name="scenes",
        train_dir=str(work / "run"),
        model_name=config.model_name,
        preprocessing_name="lenet",  # the picture as it was drawn: others cut its border off and enlarge what is left
        train_image_size=config.image_size,
        train_encoder=True,
        encoder_learning_rate=config.learning_rate,
        encoder_learning_rate_decays=True,
        embedding_size=config.embedding_size,
        num_lstm_units=config.num_lstm_units,
        label_smoothing=0.1,  # else ever more certainty is gained against what was never seen together
        lstm_dropout_keep=1.0,  # each scene is drawn once and its noise is new: there is nothing to learn by heart
        batch_size=config.batch_size,
        max_number_of_steps=config.max_number_of_steps,
        optimizer="adam",
        opt_epsilon=1e-8,
        learning_rate_decay_type="polynomial",
        end_learning_rate=config.learning_rate / 100,
        num_epochs_per_decay=config.max_number_of_steps * config.batch_size / config.num_train,
        batch_norm_decay=0.9,
        num_ps_tasks=0,
        cluster_size=1,
        save_interval_secs=120,
        save_summaries_secs=60,
        seed=config.seed,
    )


def _evaluate_config(config: CaptionsDemoConfig, work: pathlib.Path, split: str) -> EvaluateCaptionsConfig:
    return EvaluateCaptionsConfig(
        checkpoint_path=str(work / "run"),
        dataset_dir=str(work / "data"),
        dataset_name="scenes",
        dataset_split_name=split,
        eval_dir=str(work / "eval" / split),
        batch_size=50,
    )
