"""The training of a fast style transfer net: that of a classifier with another program, then the net's own export."""

import dataclasses
import json
import os
import subprocess
import tempfile
from typing import Any

from sparkcv import logs, storage
from sparkcv.config import TrainStyleConfig
from sparkcv.driver import final_export, train, train_plan
from sparkcv.driver.fixed_net import check_fixed_net, check_same_flags
from sparkcv.driver.train_plan import TrainPlan
from sparkcv.driver.train_report import TrainReport
from sparkcv.errors import FileExistsAlreadyError, ImageError, ModelError, UsageError
from sparkcv.launchers.python_module import start_module
from sparkcv.preprocess.picture_file import PictureRules
from sparkcv.rundir.description import RunDescription
from sparkcv.spark.session import SessionSpec
from sparkcv.style import picture_pixels, transformer_weights

__all__ = ["StylePlan", "prepare", "run"]

PROGRAM = "sparkcv.programs.train_style:main"

_EXPORTER = "sparkcv.programs.export_style"
_EXPORT_S = 600.0
_MOST_DIFFERENCE = 0.5  # of 255: what roundings make of one pixel
_KEPT = ("style_image", "content_layers", "style_layers", "upsample", "padding")


@dataclasses.dataclass(frozen=True)
class StylePlan:
    """A run that can start: the training's plan, and where its net is exported to."""

    train: TrainPlan
    export_dir: str | None

    def session(self) -> SessionSpec | None:
        """Return what the run needs of Spark; None where the net is trained already."""
        return self.train.session()


def prepare(config: TrainStyleConfig) -> StylePlan:
    """Check flags, picture of the style, fixed net, dataset and run folder without Spark or TensorFlow.

    Raises what :func:`sparkcv.driver.train_plan.prepare` does, ImageError for a style that is no picture,
    FileExistsAlreadyError for an ``export_dir`` that holds something else, StorageError for one that cannot be written,
    and UsageError for one that holds the run's folder, and for a folder of a run of another style or net.
    """
    style = storage.resolve(config.style_image)
    try:
        picture_pixels.read(storage.read_bytes(style), PictureRules())
    except ImageError as err:
        raise ImageError(f"--style_image: {style!r} is rejected, {err}") from err
    export_dir = config.export_dir and storage.resolve(config.export_dir)
    if export_dir:
        final_export.check_apart(export_dir, storage.resolve(config.train_dir))
        _check_export(export_dir)
    start = _check_start(config)
    # The classifier's checks of a start want a head of as many classes as the data has: the loss looks at no head. Its
    # checks of scopes know the fixed net's variables only.
    plan = train_plan.prepare(_without_start(config, style))
    if export_dir:
        storage.check_writable(storage.parent(export_dir))
    settled = dataclasses.replace(plan.config, checkpoint_path=start, learning_rate_scales=config.learning_rate_scales)
    check_same_flags(settled, _KEPT)
    return StylePlan(dataclasses.replace(plan, config=settled, program=PROGRAM), export_dir)


def run(spark: Any, plan: StylePlan) -> TrainReport:
    """Train the net of ``plan`` on the executors of ``spark``, prove what was left, and export it.

    Raises what :func:`sparkcv.driver.train.run` does, and ModelError for an export that fails.
    """
    report = train.run(spark, plan.train)
    if not plan.export_dir:
        return report
    return dataclasses.replace(report, export=_export(report.checkpoint, plan.export_dir))


def _check_start(config: TrainStyleConfig) -> str:
    """Return the prefix of the fixed net's weights; raises CheckpointError for those of another net."""
    if not config.checkpoint_path:
        raise UsageError(
            "--checkpoint_path is missing: wanted the trained weights of --model_name, through which the loss looks"
        )
    return check_fixed_net(config).prefix


def _check_export(url: str) -> None:
    """Raise FileExistsAlreadyError unless there is nothing, or a style net, which is replaced."""
    if not storage.exists(url) or (storage.is_dir(url) and not storage.list_dir(url)):
        return
    if not storage.exists(storage.join(url, transformer_weights.FILE_NAME)):
        raise FileExistsAlreadyError(
            f"--export_dir: {url!r} is there already and is no style net; wanted a new or an empty folder"
        )


def _export(prefix: str, url: str) -> str:
    """Export the net of a checkpoint as a SavedModel and as ``transformer.npz``; return what to tell."""
    told = RunDescription.read(storage.parent(prefix))
    weights = transformer_weights.load(prefix).padded(told.config.get("padding") if told is not None else None)
    with tempfile.TemporaryDirectory(prefix="sparkcv-style-") as scratch:
        source, folder = os.path.join(scratch, transformer_weights.FILE_NAME), os.path.join(scratch, "model")
        storage.write_bytes(source, transformer_weights.dump(weights))
        difference = _saved_model(source, folder)
        os.rename(source, os.path.join(folder, transformer_weights.FILE_NAME))
        _check_export(url)  # training may have taken days, in which somebody else came to use the folder
        storage.publish_dir(folder, url, overwrite=True)  # the net that is there stays until the new one lies beside it
    return f"style net {url} of digest {weights.digest[:16]}, loaded again, and differs by {difference:.1e} of 255"


def _saved_model(source: str, folder: str) -> float:
    env = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    pipe = subprocess.PIPE
    with start_module(
        _EXPORTER, [source, folder], env, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True
    ) as (process):
        try:
            said, complaint = process.communicate(timeout=_EXPORT_S)
        except subprocess.TimeoutExpired as err:
            raise ModelError(f"the style net was not exported within {_EXPORT_S:.0f} s") from err
        finally:
            process.kill()
    if process.returncode != 0 or not said.strip():
        last = logs.clean((complaint.strip().splitlines() or ["it said nothing"])[-1])[:300]
        raise ModelError(f"the export of the style net ended with {process.returncode}: {last}")
    difference = float(json.loads(said.strip().splitlines()[-1])["difference"])
    if difference > _MOST_DIFFERENCE:
        raise ModelError(f"the exported style net gives other pictures: they differ by {difference:.3g} of 255")
    return difference


def _without_start(config: TrainStyleConfig, style: str) -> TrainStyleConfig:
    return dataclasses.replace(
        config, style_image=style, checkpoint_path=None, export_dir=None, learning_rate_scales=None
    )
