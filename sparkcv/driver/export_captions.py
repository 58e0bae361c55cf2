"""The export of a net of captions: a process keeps its weights alone, then the folder appears as a whole."""

import dataclasses
import json
import os
import tempfile

from sparkcv import logs, storage
from sparkcv.caption import caption_model, vocabulary
from sparkcv.caption.caption_model import CaptionModel
from sparkcv.caption.caption_task import CaptionNet
from sparkcv.caption.vocabulary import Vocabulary
from sparkcv.config import ExportCaptionsConfig
from sparkcv.driver import caption_net_flags, caption_process
from sparkcv.errors import FileExistsAlreadyError
from sparkcv.predict import manifest as manifests

__all__ = ["ExportCaptionsPlan", "ExportedCaptions", "prepare", "run"]

_PROGRAM = "sparkcv.programs.export_captions"
_NAME = "captions"


@dataclasses.dataclass(frozen=True)
class ExportCaptionsPlan:
    """An export that can start: its flags, the full URL of the model, and the net."""

    config: ExportCaptionsConfig
    model_dir: str
    net: CaptionNet

    def session(self) -> None:
        """Return None: no Spark is needed."""


@dataclasses.dataclass(frozen=True)
class ExportedCaptions:
    """A model that was exported."""

    url: str
    model: CaptionModel

    def __str__(self) -> str:
        rows = [
            ("model", logs.clean(self.url)),
            ("net", f"{self.model.model_name}, {self.model.num_words} words"),
            ("digest", self.model.digest),
        ]
        return "\n".join(f"{name:<12} {text}" for name, text in rows)


def prepare(config: ExportCaptionsConfig) -> ExportCaptionsPlan:
    """Check checkpoint, vocabulary and folder without TensorFlow.

    Raises what :func:`.caption_net_flags.net_of` does, and FileExistsAlreadyError for a folder that is there and no
    exported net of captions, or is one and ``overwrite`` is not set.
    """
    url = storage.resolve(config.model_dir)
    net = caption_net_flags.net_of(config)
    if storage.exists(url):
        if not caption_model.is_caption_model(url):
            raise FileExistsAlreadyError(f"--model_dir: {url!r} holds something else; wanted a new folder")
        if not config.overwrite:
            raise FileExistsAlreadyError(f"--model_dir: {url!r} is there already; --overwrite replaces it")
    storage.check_writable(storage.parent(url))
    return ExportCaptionsPlan(config, url, net)


def run(spark: None, plan: ExportCaptionsPlan) -> ExportedCaptions:
    """Export.

    Raises:
        CheckpointError: a checkpoint of something else, of another encoder or another vocabulary.
        ClusterError: the process died.
    """
    del spark
    with tempfile.TemporaryDirectory(prefix="sparkcv-caption-") as folder:
        asked = {"net": dataclasses.asdict(plan.net), "prefix": os.path.join(folder, _NAME)}
        (told,) = caption_process.ask(_PROGRAM, json.dumps(asked), plan.net.checkpoint)
        storage.write_text(storage.join(folder, vocabulary.FILE_NAME), Vocabulary(plan.net.words).to_text())
        model = CaptionModel(
            checkpoint=_NAME,
            model_name=plan.net.model_name,
            preprocessing_name=plan.net.preprocessing_name,
            image_size=plan.net.image_size,
            num_words=len(plan.net.words),
            step=told["step"],
            search=caption_net_flags.search_of(plan.config),
            files=manifests.describe_files(folder),
        )
        storage.write_text(storage.join(folder, caption_model.FILE_NAME), model.to_json())
        storage.publish_dir(folder, plan.model_dir, overwrite=plan.config.overwrite)
    return ExportedCaptions(plan.model_dir, model)
