"""Drawn figures with captions to pictures made from captions, through the jobs: what ``make text2image-demo`` runs.

    python -m bench.text2image --work_dir text2image      # about 17 minutes on 2 idle cores

Draws figures, one shape of one colour on a plain ground, whose captions leave out some combinations of colour and
shape; converts them, trains GAN-CLS at 32 pixels on them, and a classifier on figures of all combinations, which is to
judge. Then makes pictures from captions, of combinations that were seen and of those that were not, and one grid of
all. Prints a table, and exits with 0 only if the classifier is right about real figures, and finds colour and shape of
the captions in the made ones, as often as wanted.
"""

import argparse
import dataclasses
import pathlib
import shutil
import sys
import time
from typing import Any

from sparkcv import figures, logs, scenes
from sparkcv.config import (
    ConvertCaptionsConfig,
    ConvertConfig,
    EvaluateText2ImageConfig,
    GenerateConfig,
    TrainConfig,
    TrainText2ImageConfig,
)
from sparkcv.driver import convert, convert_captions, evaluate_text2image, generate, train, train_text2image
from sparkcv.errors import DataError, SparkcvError, UsageError
from sparkcv.spark.session import SessionSpec, open_session

SIZE, NAME, JUDGE = 32, "captions", "gan_cls"
_MARK = "text2image.txt"


@dataclasses.dataclass(frozen=True)
class Settings:
    """What is drawn and trained, and what is wanted of it."""

    work: pathlib.Path
    num_figures: int = 4000
    num_judged: int = 6000
    num_held_out: int = 300
    num_steps: int = 10_000
    num_judge_steps: int = 500
    filters: int = 24
    judge_batch: int = 32
    wanted: tuple[float, float, float] = (0.97, 0.85, 0.65)


@dataclasses.dataclass(frozen=True)
class Result:
    """Shares that agree with their caption, in [0, 1]: real figures, made ones of seen combinations, of unseen ones."""

    real: float
    seen: float
    unseen: float
    rows: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        return "\n" + "\n".join(f"{name:<16} {text}" for name, text in self.rows)


def run(spark: Any, settings: Settings) -> Result:
    """Do all of it in the folder, which :func:`prepare` made.

    Raises:
        DataError: pictures do not agree with their captions as often as wanted.
        SparkcvError: whatever a job raises.
    """
    started_s, work = time.monotonic(), settings.work
    _draw(settings)
    data, judge_data = str(work / "data"), str(work / "judge-data")
    captions = ConvertCaptionsConfig(
        captions_file=str(work / "figures" / "captions.csv"), dataset_dir=data, min_word_count=1, num_shards=2
    )
    _say(convert_captions.run(spark, convert_captions.prepare(captions)))
    classes = ConvertConfig(
        images_dir=str(work / "judge-figures"), dataset_dir=judge_data, dataset_name="figures", num_shards=2
    )
    _say(convert.run(spark, convert.prepare(classes)))
    _say(train.run(spark, train.prepare(_judge(settings, judge_data))))
    trained = train_text2image.run(spark, train_text2image.prepare(_training(settings, data)))
    _say(trained)
    found = {}
    for part in (scenes.SEEN, scenes.UNSEEN_COMBINATIONS):
        config = EvaluateText2ImageConfig(
            checkpoint_path=str(work / "run"),
            judge_path=str(work / "judge"),
            captions_file=str(work / part / "captions.csv"),
            output_dir=str(work / f"evaluation-{part}"),
            max_pictures=settings.num_held_out,
        )
        found[part] = evaluate_text2image.run(None, evaluate_text2image.prepare(config))
        _say(found[part])
    _make(work)
    seen, unseen = found[scenes.SEEN], found[scenes.UNSEEN_COMBINATIONS]
    real = min(seen.real, unseen.real)
    rows = (
        ("real figures", f"{real:.4f}: the classifier's worse of both parts"),
        ("seen", f"{seen.agree:.4f} have the colour and the shape of their caption, of {seen.num_pictures}"),
        ("unseen", f"{unseen.agree:.4f} where no figure of colour and shape was shown, of {unseen.num_pictures}"),
        ("shuffled", f"{seen.better_than_shuffled:.4f} and {unseen.better_than_shuffled:.4f} fit their caption better"),
        ("Frechet distance", f"{seen.frechet:.2f} and {unseen.frechet:.2f} by the classifier's features"),
        ("training", f"{trained.images_per_s:.1f} images/s, {trained.num_images} images, to step {trained.step}"),
        ("grid", str(work / "pictures" / "grid.png")),
        ("way", str(work / "way" / "grid.png")),
        ("report", str(work / f"evaluation-{scenes.SEEN}" / "report.html")),
        ("took", logs.duration(time.monotonic() - started_s)),
    )
    result = Result(real, seen.agree, unseen.agree, rows)
    (work / _MARK).write_text(str(result), encoding="utf-8")
    got = (result.real, result.seen, result.unseen)
    if any(share < least for share, least in zip(got, settings.wanted, strict=True)):
        _say(result)
        raise DataError(
            f"{', '.join(f'{share:.3f}' for share in got)} of real, seen and unseen figures agree with their captions,"
            f" wanted {', '.join(map(str, settings.wanted))} or more"
        )
    return result


def prepare(work_dir: str) -> pathlib.Path:
    """Make the folder, in place of that of a former run; raises UsageError for one that holds something else."""
    work = pathlib.Path(work_dir).absolute()
    if work.exists() and any(work.iterdir()) and not (work / _MARK).exists():
        raise UsageError(f"--work_dir: {str(work)!r} holds something else; wanted a new folder, or a former run's")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    (work / _MARK).write_text("not finished\n", encoding="utf-8")
    return work


def _draw(settings: Settings) -> None:
    """Draw what is trained on, what the judge is trained on, and what is held out of both."""
    work = settings.work
    _say(f"drawing figures into {work}")
    figures.write_figures(work / "figures", settings.num_figures, 1, size=SIZE)
    figures.write_figures(work / "judge-figures", settings.num_judged, 2, size=SIZE, part=None, by_class=True)
    for seed, part in ((3, scenes.SEEN), (4, scenes.UNSEEN_COMBINATIONS)):
        figures.write_figures(work / part, settings.num_held_out, seed, size=SIZE, part=part)


def _judge(settings: Settings, data: str) -> TrainConfig:
    return TrainConfig(
        dataset_dir=data,
        train_dir=str(settings.work / "judge"),
        dataset_name="figures",
        model_name=JUDGE,
        train_image_size=SIZE,
        augment="slim=false",
        batch_size=settings.judge_batch,
        optimizer="adam",
        opt_epsilon=1e-8,
        learning_rate=5e-4,
        learning_rate_decay_type="fixed",
        max_number_of_steps=settings.num_judge_steps,
        num_ps_tasks=0,
        log_every_n_steps=50,
    )


def _training(settings: Settings, data: str) -> TrainText2ImageConfig:
    """Return flags that a CPU can do in minutes: a quarter of the pixels, and two fifths of the filters."""
    steps, batch = settings.num_steps, 32
    return TrainText2ImageConfig(
        dataset_dir=data,
        train_dir=str(settings.work / "run"),
        train_image_size=SIZE,
        gf=settings.filters,
        df=settings.filters,
        text_units=128,
        word_size=64,
        batch_size=batch,
        real_target=0.9,
        learning_rate=4e-4,
        learning_rate_decay_type="cosine",
        end_learning_rate=2e-5,
        num_epochs_per_decay=steps * batch / settings.num_figures,
        moving_average_decay=0.999,
        max_number_of_steps=steps,
        num_ps_tasks=0,
        num_preprocessing_threads=1,
        log_every_n_steps=100,
        save_summaries_secs=60,
    )


def _make(work: pathlib.Path) -> None:
    """Make a grid of all combinations, a line a colour, and the way from one caption to another."""
    captions = [f"a large {color} {shape}" for color, shape in figures.COMBINATIONS]
    (work / "captions.txt").write_text("\n".join(captions) + "\n", encoding="utf-8")
    asked = (
        {
            "captions_file": str(work / "captions.txt"),
            "num_pictures": 2,
            "columns": 12,
            "output_dir": str(work / "pictures"),
        },
        {"caption": captions[0], "to_caption": captions[-1], "num_pictures": 12, "output_dir": str(work / "way")},
    )
    for each in asked:
        _say(generate.run(None, generate.prepare(GenerateConfig(checkpoint_path=str(work / "run"), **each))))


def _say(text: object) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main(argv: list[str] | None = None) -> int:
    """Run it from the command line; return 0 for a success, else the exit code of what went wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work_dir", default="text2image", help="folder for everything; a former run is replaced")
    flags = parser.parse_args(argv)
    logs.setup("driver")
    try:
        settings = Settings(prepare(flags.work_dir))
        with open_session(SessionSpec("sparkcv text2image", num_executors=1)) as spark:
            _say(run(spark, settings))
    except SparkcvError as err:
        sys.stderr.write(f"text2image: {logs.clean(str(err))}\n")
        return err.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
