"""The chain of pictures from captions in one go, on figures that it draws: convert, train, make, judge.

Figures are one shape of one colour on a plain ground, and their captions leave out some combinations of both. GAN-CLS
is trained on them, and a classifier on figures of all combinations, which is to judge what is made of captions, of
combinations that were seen and of those that were not. Nothing is a stand-in: the same driver functions as the jobs
call, role processes on a Spark executor.
"""

import dataclasses
import pathlib
import time
from typing import Any

from sparkcv import figures, logs, scenes
from sparkcv.config import (
    ConvertCaptionsConfig,
    ConvertConfig,
    EvaluateText2ImageConfig,
    GenerateConfig,
    Text2ImageDemoConfig,
    TrainConfig,
    TrainText2ImageConfig,
)
from sparkcv.config.train_text2image import WORDS
from sparkcv.driver import convert, convert_captions, evaluate_text2image, generate, train, train_text2image
from sparkcv.driver.demo_folder import make_folder, say, show
from sparkcv.driver.evaluate_text2image import MadeReport
from sparkcv.errors import DataError
from sparkcv.spark.session import SessionSpec

__all__ = ["Text2ImageDemoPlan", "Text2ImageDemoReport", "prepare", "run"]

_PARTS, _SEEDS = 5, 4
_JUDGE = "gan_cls"
_HELD_OUT = (scenes.SEEN, scenes.UNSEEN_COMBINATIONS)


@dataclasses.dataclass(frozen=True)
class Text2ImageDemoPlan:
    """A demo that can start: its flags, the empty folder that it works in, and both trainings there."""

    config: Text2ImageDemoConfig
    work: pathlib.Path
    training: TrainText2ImageConfig
    judge: TrainConfig

    def session(self) -> SessionSpec:
        """Return what the demo needs of Spark: one executor, for the one worker."""
        return SessionSpec("sparkcv text2imagedemo", num_executors=1)


@dataclasses.dataclass(frozen=True)
class Text2ImageDemoReport:
    """What the demo did; its text is the table at the end.

    Shares that agree with their caption, in [0, 1]: real figures, made ones of seen combinations, of unseen ones.
    """

    real: float
    seen: float
    unseen: float
    facts: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        return "\n" + "\n".join(f"{name:<16} {text}" for name, text in self.facts)


def prepare(config: Text2ImageDemoConfig) -> Text2ImageDemoPlan:
    """Check the flags of both trainings, and make the empty work folder.

    Raises UsageError for a size of pictures that there is not, and what :func:`.demo_folder.make_folder` does.
    """
    work = pathlib.Path(config.work_dir).absolute()
    training, judge = _train_config(config, work), _judge_config(config, work)
    return Text2ImageDemoPlan(config, make_folder(config.work_dir, config), training, judge)


def run(spark: Any, plan: Text2ImageDemoPlan) -> Text2ImageDemoReport:
    """Run the chain in the folder of ``plan``.

    Raises:
        DataError: pictures do not agree with their captions as often as the flags want.
        SparkcvError: whatever a job of the chain raises.
    """
    started_s = time.monotonic()
    config, work = plan.config, plan.work
    _draw(config, work)
    say(2, _PARTS, "converting them to shards")
    show(convert_captions.run(spark, convert_captions.prepare(_captions_config(config, work))))
    show(convert.run(spark, convert.prepare(_classes_config(config, work))))
    say(3, _PARTS, "training the judge, and the nets of pictures from captions, by one worker")
    show(train.run(spark, train.prepare(plan.judge)))
    trained = train_text2image.run(spark, train_text2image.prepare(plan.training))
    show(trained)
    say(4, _PARTS, "judging pictures made of captions that are held out, and of combinations that were never trained")
    seen, unseen = (_judged(config, work, part) for part in _HELD_OUT)
    say(5, _PARTS, "making a grid of all combinations, and the way from one caption to another")
    _make(config, work)
    report = Text2ImageDemoReport(
        min(seen.real, unseen.real),
        seen.agree,
        unseen.agree,
        (
            ("real figures", f"{min(seen.real, unseen.real):.4f}: the judge's worse of both parts"),
            ("seen", f"{seen.agree:.4f} have the colour and the shape of their caption, of {seen.num_pictures}"),
            ("unseen", f"{unseen.agree:.4f} where no figure of colour and shape was shown, of {unseen.num_pictures}"),
            ("shuffled", f"{seen.better_than_shuffled:.4f} and {unseen.better_than_shuffled:.4f} fit theirs better"),
            ("Frechet distance", f"{seen.frechet:.2f} and {unseen.frechet:.2f} by the judge's features"),
            ("training", f"{trained.images_per_s:.1f} images/s, {trained.num_images} images, to step {trained.step}"),
            ("grid", str(work / "pictures" / "grid.png")),
            ("way", str(work / "way" / "grid.png")),
            ("report", str(work / f"evaluation-{scenes.SEEN}" / "report.html")),
            ("took", logs.duration(time.monotonic() - started_s)),
        ),
    )
    _check(config, report)
    return report


def _draw(config: Text2ImageDemoConfig, work: pathlib.Path) -> None:
    """Draw what is trained on, what the judge is trained on, and what is held out of both."""
    say(
        1,
        _PARTS,
        f"drawing {config.num_train} figures, {config.num_judged} for the judge, and twice {config.num_test} that are"
        f" held out, into {work}",
    )
    size, seed = config.train_image_size, config.seed * _SEEDS
    figures.write_figures(work / "figures", config.num_train, seed + 1, size=size)
    figures.write_figures(work / "judge-figures", config.num_judged, seed + 2, size=size, part=None, by_class=True)
    for number, part in enumerate(_HELD_OUT, 3):
        figures.write_figures(work / part, config.num_test, seed + number, size=size, part=part)


def _judged(config: Text2ImageDemoConfig, work: pathlib.Path, part: str) -> MadeReport:
    flags = EvaluateText2ImageConfig(
        checkpoint_path=str(work / "run"),
        judge_path=str(work / "judge"),
        captions_file=str(work / part / "captions.csv"),
        output_dir=str(work / f"evaluation-{part}"),
        max_pictures=config.num_test,
    )
    report = evaluate_text2image.run(None, evaluate_text2image.prepare(flags))
    show(report)
    return report


def _make(config: Text2ImageDemoConfig, work: pathlib.Path) -> None:
    """Make a grid of all combinations, a line a colour, and the way from one caption to another."""
    captions = [f"a large {color} {shape}" for color, shape in figures.COMBINATIONS]
    (work / "captions.txt").write_text("\n".join(captions) + "\n", encoding="utf-8")
    run_dir = str(work / "run")
    for asked in (
        GenerateConfig(
            checkpoint_path=run_dir,
            captions_file=str(work / "captions.txt"),
            num_pictures=2,
            columns=12,
            seed=config.seed,
            output_dir=str(work / "pictures"),
        ),
        GenerateConfig(
            checkpoint_path=run_dir,
            caption=captions[0],
            to_caption=captions[-1],
            num_pictures=12,
            seed=config.seed,
            output_dir=str(work / "way"),
        ),
    ):
        show(generate.run(None, generate.prepare(asked)))


def _check(config: Text2ImageDemoConfig, report: Text2ImageDemoReport) -> None:
    wanted = (
        ("real figures", report.real, config.min_real),
        ("made figures of seen combinations", report.seen, config.min_seen),
        ("made figures of unseen combinations", report.unseen, config.min_unseen),
    )
    for what, got, least in wanted:
        if got < least:
            show(report)
            raise DataError(f"{got:.3f} of {what} agree with their captions, wanted {least} or more")


def _captions_config(config: Text2ImageDemoConfig, work: pathlib.Path) -> ConvertCaptionsConfig:
    return ConvertCaptionsConfig(
        captions_file=str(work / "figures" / "captions.csv"),
        dataset_dir=str(work / "data"),
        min_word_count=1,
        num_shards=2,
        seed=config.seed,
        cluster_size=1,
    )


def _classes_config(config: Text2ImageDemoConfig, work: pathlib.Path) -> ConvertConfig:
    return ConvertConfig(
        images_dir=str(work / "judge-figures"),
        dataset_dir=str(work / "judge-data"),
        dataset_name="figures",
        num_shards=2,
        seed=config.seed,
        cluster_size=1,
    )


def _judge_config(config: Text2ImageDemoConfig, work: pathlib.Path) -> TrainConfig:
    return TrainConfig(
        dataset_dir=str(work / "judge-data"),
        train_dir=str(work / "judge"),
        dataset_name="figures",
        model_name=_JUDGE,
        train_image_size=config.train_image_size,
        augment="slim=false",
        batch_size=config.judge_batch_size,
        optimizer="adam",
        opt_epsilon=1e-8,
        learning_rate=5e-4,
        learning_rate_decay_type="fixed",
        max_number_of_steps=config.num_judge_steps,
        num_ps_tasks=0,
        cluster_size=1,
        log_every_n_steps=50,
        seed=config.seed,
    )


def _train_config(config: Text2ImageDemoConfig, work: pathlib.Path) -> TrainText2ImageConfig:
    """Return flags that a CPU can do in minutes: a quarter of the pixels, and two fifths of the filters."""
    return TrainText2ImageConfig(
        dataset_dir=str(work / "data"),
        train_dir=str(work / "run"),
        text=config.text,
        train_image_size=config.train_image_size,
        gf=config.filters,
        df=config.filters,
        text_units=128,
        word_size=64 if config.text == WORDS else 128,
        batch_size=config.batch_size,
        real_target=0.9,
        learning_rate=4e-4,
        learning_rate_decay_type="cosine",
        end_learning_rate=2e-5,
        num_epochs_per_decay=config.max_number_of_steps * config.batch_size / config.num_train,
        moving_average_decay=0.999,
        max_number_of_steps=config.max_number_of_steps,
        num_ps_tasks=0,
        cluster_size=1,
        num_preprocessing_threads=1,
        log_every_n_steps=100,
        save_summaries_secs=60,
        seed=config.seed,
    )
