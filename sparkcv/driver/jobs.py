"""Every job there is, by the word that the command ``sparkcv`` knows it by, and the one way in which each is run.

A job's module is loaded when its flags have been read: ``--help`` takes no seconds, and loads no pyspark.
"""

import dataclasses
import importlib
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Protocol, cast

from sparkcv import config as configs
from sparkcv.driver.job import run_main
from sparkcv.errors import UsageError, nearest
from sparkcv.spark.session import SessionSpec, open_session

__all__ = ["JOBS", "Job", "JobModule", "JobPlan", "STYLE", "one_word", "run_job"]


class JobPlan(Protocol):
    """What a job's checks gave: all that it needs to know in order to run."""

    def session(self) -> SessionSpec | None:
        """Return what the job needs of Spark; None if it does not need it."""


class JobModule(Protocol):
    """The driver's side of a job."""

    def prepare(self, config: Any) -> JobPlan:
        """Check all that can be checked before Spark starts, and raise SparkcvError if the job could not succeed."""

    def run(self, spark: Any, plan: Any) -> object:
        """Do what was planned, and return the report, whose text is the job's last words."""


@dataclasses.dataclass(frozen=True)
class Job:
    """One job.

    Attributes:
        name: the word by which the command ``sparkcv`` knows it.
        file: the file in ``jobs/`` that ``spark-submit`` takes.
        config: the class of its flags.
        summary: what it does, in a few words.
        module: where its ``prepare`` and ``run`` are, a :class:`JobModule`.
    """

    name: str
    file: str
    config: type
    summary: str
    module: str

    def load(self) -> JobModule:
        """Import the module."""
        return cast(JobModule, importlib.import_module(self.module))


_ALL = (
    Job(
        "convert",
        "convert_images.py",
        configs.ConvertConfig,
        "convert pictures to TFRecord shards",
        "sparkcv.driver.convert",
    ),
    Job(
        "statistics",
        "fit_statistics.py",
        configs.StatisticsConfig,
        "fit the statistics of a dataset's pixels, for --normalization",
        "sparkcv.driver.statistics",
    ),
    Job(
        "train",
        "train_image_classifier.py",
        configs.TrainConfig,
        "train an image classifier on Spark executors",
        "sparkcv.driver.train_table",
    ),
    Job(
        "reproduce",
        "reproduce.py",
        configs.ReproduceConfig,
        "start a run again in a new folder, and say what differs",
        "sparkcv.driver.reproduce",
    ),
    Job(
        "evaluate",
        "eval_image_classifier.py",
        configs.EvalConfig,
        "evaluate a checkpoint on Spark executors",
        "sparkcv.driver.evaluate",
    ),
    Job(
        "export",
        "export_inference_graph.py",
        configs.ExportConfig,
        "export a checkpoint as a model to score with",
        "sparkcv.driver.export",
    ),
    Job(
        "score",
        "batch_inference.py",
        configs.ScoreConfig,
        "score a day's pictures into Parquet",
        "sparkcv.driver.score",
    ),
    Job(
        "styletransfer",
        "style_transfer.py",
        configs.StyleTransferConfig,
        "make a picture of one's content in the style of others, by optimization",
        "sparkcv.driver.style_transfer",
    ),
    Job(
        "texture",
        "synthesize_texture.py",
        configs.TextureConfig,
        "grow a texture of any size from a sample, pixel by pixel",
        "sparkcv.driver.texture",
    ),
    Job(
        "superresolve",
        "super_resolve.py",
        configs.SuperResolveConfig,
        "enlarge a picture by what examples look like up close",
        "sparkcv.driver.super_resolve",
    ),
    Job(
        "stylize",
        "stylize.py",
        configs.StylizeConfig,
        "give pictures the style of a trained net, at their own size",
        "sparkcv.driver.stylize",
    ),
    Job(
        "trainstyle",
        "train_style_net.py",
        configs.TrainStyleConfig,
        "train a fast style transfer net on Spark executors",
        "sparkcv.driver.train_style",
    ),
    Job(
        "convertcaptions",
        "convert_captions.py",
        configs.ConvertCaptionsConfig,
        "convert pictures with captions to TFRecord shards",
        "sparkcv.driver.convert_captions",
    ),
    Job(
        "traincaptions",
        "train_captions.py",
        configs.TrainCaptionsConfig,
        "train captions of pictures on Spark executors",
        "sparkcv.driver.train_captions",
    ),
    Job(
        "evaluatecaptions",
        "evaluate_captions.py",
        configs.EvaluateCaptionsConfig,
        "evaluate captions on a split",
        "sparkcv.driver.evaluate_captions",
    ),
    Job(
        "caption",
        "caption_pictures.py",
        configs.CaptionConfig,
        "print captions of a picture, or of the pictures in a folder",
        "sparkcv.driver.caption",
    ),
    Job(
        "traintext2image",
        "train_text2image.py",
        configs.TrainText2ImageConfig,
        "train pictures from captions on Spark executors",
        "sparkcv.driver.train_text2image",
    ),
    Job(
        "generate",
        "generate_pictures.py",
        configs.GenerateConfig,
        "make pictures from captions by trained nets",
        "sparkcv.driver.generate",
    ),
    Job(
        "evaluatetext2image",
        "evaluate_text2image.py",
        configs.EvaluateText2ImageConfig,
        "judge pictures made from captions by a classifier",
        "sparkcv.driver.evaluate_text2image",
    ),
    Job(
        "scorecaptions",
        "score_captions.py",
        configs.ScoreCaptionsConfig,
        "caption a day's pictures into Parquet",
        "sparkcv.driver.score_captions",
    ),
    Job(
        "exportcaptions",
        "export_captions.py",
        configs.ExportCaptionsConfig,
        "export a net of captions as a model to serve",
        "sparkcv.driver.export_captions",
    ),
    Job(
        "serve",
        "serve.py",
        configs.ServeConfig,
        "serve exported models over HTTP, with a page for people",
        "sparkcv.driver.serve",
    ),
    Job(
        "doctor",
        "doctor.py",
        configs.DoctorConfig,
        "find out whether a training job would start",
        "sparkcv.driver.doctor",
    ),
    Job(
        "tensorboard",
        "show_run.py",
        configs.TensorBoardConfig,
        "serve TensorBoard on a run's folder, on HDFS or anywhere else",
        "sparkcv.driver.tensorboard",
    ),
    Job(
        "demo",
        "demo.py",
        configs.DemoConfig,
        "run the whole chain on pictures that it draws",
        "sparkcv.driver.demo",
    ),
    Job(
        "captionsdemo",
        "captions_demo.py",
        configs.CaptionsDemoConfig,
        "train and evaluate captions on scenes that it draws",
        "sparkcv.driver.captions_demo",
    ),
    Job(
        "text2imagedemo",
        "text2image_demo.py",
        configs.Text2ImageDemoConfig,
        "train and judge pictures from captions on figures that it draws",
        "sparkcv.driver.text2image_demo",
    ),
)
JOBS: Mapping[str, Job] = MappingProxyType({job.name: job for job in _ALL})

STYLE: Mapping[str, str] = MappingProxyType(
    {
        "transfer": "styletransfer",
        "train": "trainstyle",
        "stylize": "stylize",
        "texture": "texture",
        "superresolve": "superresolve",
    }
)
"""The jobs of style transfer by the second word of ``sparkcv style KIND``."""


def one_word(words: Sequence[str]) -> list[str]:
    """Return a command line's words with ``style KIND`` at their front as the job's name; other words as they are.

    Raises UsageError for a kind that there is not.
    """
    if list(words[:1]) != ["style"]:
        return list(words)
    kind = words[1] if len(words) > 1 else ""
    if kind not in STYLE:
        hint = nearest(kind, STYLE, otherwise=f", wanted one of {', '.join(STYLE)}")
        raise UsageError(f"style: got {repr(kind) if len(words) > 1 else 'nothing'}{hint}")
    return [STYLE[kind], *words[2:]]


def run_job(name: str, argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Run one of :data:`JOBS` and return its exit code.

    Args:
        name: The job's word.
        argv: The words after the program's name; None: those of this process.
        prog: What the job is called in ``--help`` and before an error; None: its file's name.

    Returns:
        0 for a verified success, 1 for a failure, 2 for wrong usage, 75 for a run that can be resumed.
    """
    job = JOBS[name]

    def work(config: Any) -> object:
        module = job.load()
        plan = module.prepare(config)
        spec = plan.session()
        if spec is None:
            return module.run(None, plan)
        with open_session(spec) as spark:
            return module.run(spark, plan)

    return run_main(job.config, prog or job.file, work, argv)
