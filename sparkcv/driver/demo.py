"""The whole chain in one go, on pictures that it draws: what the project is for, as a newcomer's first command.

Nothing is a stand-in: real executors, ps and worker processes, the same driver functions as the jobs call. Success is
claimed only after the Parquet was read back and held every held-out id exactly once.
"""

import dataclasses
import pathlib
import time
from typing import Any

from sparkcv import logs, synthetic
from sparkcv.config import ConvertConfig, DemoConfig, EvalConfig, ExportConfig, ScoreConfig, TrainConfig
from sparkcv.driver import convert, evaluate, export, score, train
from sparkcv.driver.demo_folder import make_folder, say, show
from sparkcv.driver.demo_report import write_demo_report
from sparkcv.errors import DataError
from sparkcv.spark.session import SessionSpec

DATE = "2026-01-01"  # the "day" that the demo scores
_PARTS = 6


@dataclasses.dataclass(frozen=True)
class DemoPlan:
    """A demo that can start: its flags, and the empty folder that it works in."""

    config: DemoConfig
    work: pathlib.Path

    def session(self) -> SessionSpec:
        """Return what the demo needs of Spark: an executor a role."""
        return SessionSpec("sparkcv demo", num_executors=1 + self.config.num_workers)


@dataclasses.dataclass(frozen=True)
class Scores:
    """What was read back from the Parquet: rows of predictions, reason by id of the rejects."""

    predictions: list[dict[str, Any]]
    rejects: dict[str, str]

    @property
    def accuracy(self) -> float:
        """Share of the predictions whose label is the picture's folder, in [0, 1]."""
        return sum(row["label"] == row["id"].split("/")[0] for row in self.predictions) / len(self.predictions)


@dataclasses.dataclass(frozen=True)
class DemoReport:
    """What the demo did; its text is the table at the end."""

    accuracy: float
    facts: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        return "\n" + "\n".join(f"{name:<12} {text}" for name, text in self.facts)


def run(spark: Any, plan: DemoPlan) -> DemoReport:
    """Run the chain in the folder of ``plan``.

    Raises:
        DataError: the Parquet does not hold every held-out id exactly once, or the accuracy is too low.
        SparkcvError: whatever a job of the chain raises.
    """
    started_s = time.monotonic()
    config, work = plan.config, plan.work
    pictures, data, run_dir = work / "pictures", work / "data", work / "run"
    say(1, _PARTS, f"drawing pictures of {len(synthetic.CLASSES)} classes into {pictures}")
    for split, per_class in (("train", config.train_per_class), ("test", config.test_per_class)):
        synthetic.write_pictures(pictures / split, per_class, config.seed, broken=config.num_broken, by=split)
    say(2, _PARTS, f"converting them to TFRecord shards in {data}")
    for split in ("train", "test"):
        show(convert.run(spark, convert.prepare(_convert_config(config, pictures / split, data, split))))
    say(3, _PARTS, f"training {config.model_name} by 1 ps and {config.num_workers} workers")
    trained = train.run(spark, train.prepare(_train_config(config, data, run_dir)))
    show(trained)
    say(4, _PARTS, "evaluating on the held-out split")
    evaluated = evaluate.run(spark, evaluate.prepare(_eval_config(config, data, run_dir, work / "eval")))
    show(evaluated)
    say(5, _PARTS, "exporting the model")
    show(export.run(spark, export.prepare(_export_config(config, data, run_dir, work / "model"))))
    say(6, _PARTS, "scoring the held-out pictures into Parquet")
    scored = score.run(spark, score.prepare(_score_config(pictures / "test", work)))
    show(scored)
    scores = read_back(work / "scores", pictures / "test")
    facts = (
        (
            "accuracy",
            f"{scores.accuracy:.3f} on {len(scores.predictions)} held-out pictures, from the Parquet read back",
        ),
        ("evaluation", f"{evaluated.accuracy:.3f} by the evaluation of the same split"),
        ("training", f"{trained.images_per_s:.1f} images/s, {trained.num_images} images, to step {trained.step}"),
        ("scoring", f"{scored.images_per_s:.1f} images/s, with the model's loading"),
        ("rows scored", f"{scored.num_rows}: {len(scores.predictions)} predictions + {len(scores.rejects)} rejects"),
        *(("reject", f"{logs.clean(name)}: {logs.clean(why)}") for name, why in sorted(scores.rejects.items())),
        ("pictures", str(pictures)),
        ("shards", str(data)),
        ("run", str(run_dir)),
        ("model", str(work / "model")),
        ("parquet", str(work / "scores" / f"dt={DATE}")),
        ("report", str(work / "report.html")),
        ("took", logs.duration(time.monotonic() - started_s)),
    )
    report = DemoReport(scores.accuracy, facts)
    write_demo_report(
        str(work / "report.html"),
        evaluated,
        [fact for fact in facts if fact[0] != "reject"],
        scores.predictions,
        scores.rejects,
        pictures / "test",
    )
    if min(scores.accuracy, evaluated.accuracy) < config.min_accuracy:
        show(report)
        raise DataError(
            f"accuracy is {scores.accuracy:.3f} in the Parquet and {evaluated.accuracy:.3f} by the evaluation, wanted"
            f" {config.min_accuracy} or more in both"
        )
    return report


def prepare(config: DemoConfig) -> DemoPlan:
    """Make the empty work folder; only a folder that a demo made is ever replaced.

    Raises:
        UsageError: the folder holds something that is not a demo's.
        StorageError: the folder cannot be made.
    """
    return DemoPlan(config, make_folder(config.work_dir, config))


def read_back(scores: pathlib.Path, pictures: pathlib.Path) -> Scores:
    """Read the Parquet again and hold it against the folder of pictures.

    Raises:
        DataError: an id is missing, stands there twice, or is no held-out picture.
    """
    predictions = _rows(scores / f"dt={DATE}")
    rejects = _rows(scores / f"dt={DATE}" / "_rejects")
    got = sorted(row["id"] for row in predictions + rejects)
    wanted = sorted(path.relative_to(pictures).as_posix() for path in pictures.rglob("*") if path.is_file())
    if got != wanted:
        missing, extra = set(wanted) - set(got), set(got) - set(wanted)
        raise DataError(
            f"the Parquet in {scores} does not hold every id exactly once: {len(missing)} missing, {len(extra)}"
            f" unknown, {len(got) - len(set(got))} twice"
        )
    if not predictions:
        raise DataError(f"the Parquet in {scores} holds no prediction, only {len(rejects)} rejects")
    return Scores(predictions, {row["id"]: row["reason"] for row in rejects})


def _rows(folder: pathlib.Path) -> list[dict[str, Any]]:
    """Return the rows of a folder of Parquet files; none where there is no folder."""
    import pyarrow.parquet as pq  # not needed by the driver's other jobs

    return list(pq.read_table(folder, partitioning=None).to_pylist()) if folder.exists() else []


def _convert_config(config: DemoConfig, pictures: pathlib.Path, data: pathlib.Path, split: str) -> ConvertConfig:
    return ConvertConfig(
        images_dir=str(pictures),
        dataset_dir=str(data),
        dataset_name="shapes",
        dataset_split_name=split,
        num_shards=4,
        seed=config.seed,
    )


def _train_config(config: DemoConfig, data: pathlib.Path, run_dir: pathlib.Path) -> TrainConfig:
    num_pictures = config.train_per_class * len(synthetic.CLASSES)
    return TrainConfig(
        dataset_dir=str(data),
        dataset_name="shapes",
        train_dir=str(run_dir),
        model_name=config.model_name,
        train_image_size=config.image_size,
        batch_size=config.batch_size,
        max_number_of_steps=config.max_number_of_steps,
        learning_rate=config.learning_rate,
        optimizer="adam",
        opt_epsilon=1e-7,
        learning_rate_decay_type="polynomial",
        end_learning_rate=config.learning_rate / 100,
        num_epochs_per_decay=config.max_number_of_steps * config.batch_size / num_pictures,
        min_crop_area=0.5,  # slim's 0.05 often leaves nothing of the form, and a short run has no time for that
        batch_norm_decay=0.9,  # slim's 0.9997 needs many thousands of steps before evaluation sees the net
        num_ps_tasks=1,
        worker_replicas=config.num_workers,
        cluster_size=1 + config.num_workers,
        save_interval_secs=120,
        save_summaries_secs=60,
        seed=config.seed,
    )


def _eval_config(config: DemoConfig, data: pathlib.Path, run_dir: pathlib.Path, eval_dir: pathlib.Path) -> EvalConfig:
    return EvalConfig(
        dataset_dir=str(data),
        dataset_name="shapes",
        checkpoint_path=str(run_dir),
        eval_dir=str(eval_dir),
        model_name=config.model_name,
        eval_image_size=config.image_size,
        batch_size=50,
        cluster_size=2,
    )


def _export_config(config: DemoConfig, data: pathlib.Path, run_dir: pathlib.Path, model: pathlib.Path) -> ExportConfig:
    return ExportConfig(
        checkpoint_path=str(run_dir),
        model_dir=str(model),
        dataset_dir=str(data),
        dataset_name="shapes",
        model_name=config.model_name,
        image_size=config.image_size,
        eval_dir=str(model.with_name("eval")),
    )


def _score_config(pictures: pathlib.Path, work: pathlib.Path) -> ScoreConfig:
    return ScoreConfig(
        input=str(pictures), model_dir=str(work / "model"), output_dir=str(work / "scores"), date=DATE, top_k=3
    )
