"""Handwriting from GNT files to scores, through the jobs: what ``make handwriting`` runs.

    python -m bench.handwriting --work_dir handwriting      # about 10 minutes on 2 idle cores

Draws writers' files (``drawn_characters.py``), converts them, trains ``charnet`` by its recipe, evaluates it on every
sample of the validation split and of writers who were held out, exports it, scores the held-out samples and reads the
Parquet again. Prints a table, and exits with 0 only if no sample is missing anywhere and the held-out accuracy is the
one wanted in both.
"""

import argparse
import dataclasses
import io
import pathlib
import sys
import time
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from bench import drawn_characters
from bench.drawn_characters import Hand
from sparkcv import config, logs
from sparkcv.config import ConvertConfig, EvalConfig, ExportConfig, ScoreConfig, TrainConfig
from sparkcv.driver import convert, evaluate, export, score, train
from sparkcv.driver.demo_folder import make_folder, show
from sparkcv.errors import DataError, SparkcvError
from sparkcv.records import gnt
from sparkcv.spark.session import SessionSpec, open_session

ROOT = pathlib.Path(__file__).resolve().parent.parent
RECIPE = ROOT / "conf" / "handwriting_charnet.toml"
DATE, NAME, NET, TOP_K = "2026-01-01", "hand", "charnet", 3
_RESULT = "handwriting.txt"
_FEW = 100


@dataclasses.dataclass(frozen=True)
class Settings:
    """What is drawn and trained; ``overrides`` are words of the training's command line that beat the recipe's."""

    work_dir: str
    num_classes: int = 300
    num_writers: int = 48
    num_held_out: int = 6
    seed: int = 0
    min_accuracy: float = 0.95
    image_size: int = 64
    overrides: tuple[str, ...] = ()

    @property
    def work(self) -> pathlib.Path:
        """The folder for everything."""
        return pathlib.Path(self.work_dir).absolute()


@dataclasses.dataclass(frozen=True)
class Result:
    """What came of it: accuracies in [0, 1], of all samples; its text is the table at the end."""

    num_classes: int
    evaluated: float
    in_top_k: float
    scored: float
    rows: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        return "\n" + "\n".join(f"{name:<12} {text}" for name, text in self.rows)


def run(spark: Any, settings: Settings) -> Result:
    """Do all of it in the folder, which :func:`.demo_folder.make_folder` made.

    Raises:
        DataError: a sample is missing, or the accuracy is too low.
        SparkcvError: whatever a job raises.
    """
    started_s, work = time.monotonic(), settings.work
    characters, fonts = _draw(settings)
    data, model = str(work / "data"), str(work / "model")
    for split, fraction in (("train", 0.1), ("test", None)):
        show(convert.run(spark, convert.prepare(_conversion(work, split, fraction))))
    trained = train.run(spark, train.prepare(_training(settings, data)))
    show(trained)
    found = {}
    for split in ("validation", "test"):
        found[split] = evaluate.run(spark, evaluate.prepare(_evaluation(settings, data, split)))
        show(found[split])
        _check_whole(found[split])
    exported = ExportConfig(
        checkpoint_path=str(work / "run"), model_dir=model, dataset_dir=data, dataset_name=NAME, model_name=NET
    )
    show(export.run(spark, export.prepare(exported)))
    scoring = ScoreConfig(
        input=f"{data}/{NAME}_test-*.tfrecord", model_dir=model, output_dir=str(work / "scores"), date=DATE, top_k=TOP_K
    )
    show(score.run(spark, score.prepare(scoring)))
    scored, in_top_k = read_back(work)
    held = found["test"]
    rows = (
        ("fonts", fonts),
        ("characters", f"{len(characters)}: {''.join(characters)}"),
        (
            "held out",
            f"{held.accuracy:.4f}, {held.recall_at_k:.4f} in the top {TOP_K}, by the evaluation of every sample",
        ),
        ("scored", f"{scored:.4f}, {in_top_k:.4f} in the top {TOP_K}, by the Parquet read back"),
        ("validation", f"{found['validation'].accuracy:.4f} on samples of writers who were trained on"),
        ("training", f"{trained.images_per_s:.1f} images/s, {trained.num_images} images, to step {trained.step}"),
        ("report", str(work / "eval-test" / "report.html")),
        ("took", logs.duration(time.monotonic() - started_s)),
    )
    result = Result(len(characters), held.accuracy, held.recall_at_k, scored, rows)
    (work / _RESULT).write_text(str(result), encoding="utf-8")
    if abs(scored - held.accuracy) > 1e-9 or abs(in_top_k - held.recall_at_k) > 1e-9:
        show(result)
        raise DataError(
            f"scoring gives {scored:.4f} and {in_top_k:.4f}, the evaluation of the same samples other numbers"
        )
    if held.accuracy < settings.min_accuracy:
        show(result)
        raise DataError(f"accuracy on held-out writers is {held.accuracy:.4f}, wanted {settings.min_accuracy} or more")
    return result


def read_back(work: pathlib.Path) -> tuple[float, float]:
    """Return the accuracy of the scores and their share of labels in the top k, by the GNT files themselves.

    Raises:
        DataError: a sample of the files is missing in the Parquet, or stands there twice.
    """
    truth = {}
    for path in sorted((work / "gnt" / "test").glob("*.gnt")):
        for item in gnt.read(io.BytesIO(path.read_bytes())):
            if isinstance(item, gnt.Sample):
                truth[f"{path.name}@{item.offset}"] = item.character
    columns = ["filename", "label", "top_k"]
    rows = pq.read_table(work / "scores" / f"dt={DATE}", columns=columns, partitioning=None).to_pylist()
    if sorted(row["filename"] for row in rows) != sorted(truth):
        raise DataError(f"the Parquet has {len(rows)} predictions of {len(truth)} samples, wanted each exactly once")
    hits = sum(row["label"] == truth[row["filename"]] for row in rows)
    among = sum(truth[row["filename"]] in {each["label"] for each in row["top_k"]} for row in rows)
    return hits / len(rows), among / len(rows)


def _draw(settings: Settings) -> tuple[tuple[str, ...], str]:
    """Write the GNT files; return the characters, and which fonts drew them."""
    fonts = drawn_characters.find_fonts()
    characters = drawn_characters.look_apart(fonts, settings.num_classes, settings.seed)
    said = fonts.names
    if len(characters) < min(_FEW, settings.num_classes):
        said += (
            f" (this machine's fonts have {len(characters)} characters of GBK that do not look alike, wanted {_FEW} or"
            " more: install fonts-dejavu-core, or fonts-wqy-zenhei for Chinese ones)"
        )
    show(f"drawing {len(characters)} characters of {said}")
    rng = np.random.default_rng(settings.seed)
    hands = [Hand.draw(rng, fonts.trained) for _ in range(settings.num_writers)]
    held = [Hand.draw(rng, fonts.held_out, is_held_out=True) for _ in range(settings.num_held_out)]
    folder = settings.work / "gnt"
    drawn_characters.write_set(folder / "train", hands, characters, settings.seed)
    drawn_characters.write_set(folder / "test", held, characters, settings.seed + 1)
    return characters, said


def _conversion(work: pathlib.Path, split: str, fraction: float | None) -> ConvertConfig:
    return ConvertConfig(
        gnt_dir=str(work / "gnt" / split),
        dataset_dir=str(work / "data"),
        dataset_name=NAME,
        dataset_split_name=split,
        validation_fraction=fraction,
        num_shards=4,
    )


def _training(settings: Settings, data: str) -> TrainConfig:
    words = [
        "--recipe",
        str(RECIPE),
        "--dataset_dir",
        data,
        "--train_dir",
        str(settings.work / "run"),
        "--cluster_size=1",
        f"--train_image_size={settings.image_size}",
    ]
    return config.parse(TrainConfig, [*words, *settings.overrides], "handwriting")


def _evaluation(settings: Settings, data: str, split: str) -> EvalConfig:
    return EvalConfig(
        dataset_dir=data,
        dataset_name=NAME,
        dataset_split_name=split,
        checkpoint_path=str(settings.work / "run"),
        eval_dir=str(settings.work / f"eval-{split}"),
        model_name=NET,
        eval_image_size=settings.image_size,
        top_k=TOP_K,
        cluster_size=2,
    )


def _check_whole(found: evaluate.EvalReport) -> None:
    outcome = found.outcome
    if outcome.metrics.num_examples != outcome.num_records:
        raise DataError(
            f"{outcome.metrics.num_examples} of {outcome.num_records} samples of {outcome.split} were evaluated"
        )


def main() -> int:
    """Run it, print the table and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work_dir", default="handwriting", help="folder for everything; a former run is replaced")
    parser.add_argument(
        "--classes", type=int, default=Settings.num_classes, help="characters at most, as far as fonts have them"
    )
    parser.add_argument("--writers", type=int, default=Settings.num_writers, help="who are trained on")
    parser.add_argument("--held_out", type=int, default=Settings.num_held_out, help="writers who are not")
    parser.add_argument("--min_accuracy", type=float, default=Settings.min_accuracy, help="below which it fails")
    parser.add_argument("--seed", type=int, default=0, help="of pictures and characters")
    flags = parser.parse_args()
    logs.setup("driver")
    try:
        settings = Settings(
            flags.work_dir, flags.classes, flags.writers, flags.held_out, flags.seed, flags.min_accuracy
        )
        make_folder(flags.work_dir, settings)
        with open_session(SessionSpec("sparkcv handwriting", num_executors=2)) as spark:
            show(run(spark, settings))
    except SparkcvError as err:
        sys.stderr.write(f"handwriting: {logs.clean(str(err))}\n")
        return err.exit_code
    except KeyboardInterrupt:
        sys.stderr.write("handwriting: stopped by the keyboard\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
