"""The flags of the export of a net of captions."""

import dataclasses

from sparkcv.config.caption_net import CaptionNetConfig
from sparkcv.config.flags import flag

_OUT = "output"


@dataclasses.dataclass(frozen=True)
class ExportCaptionsConfig(CaptionNetConfig):
    """Export a trained net of captions: weights, vocabulary and how captions are searched, as one folder."""

    model_dir: str = flag(
        None, "folder for the model; --models_dir of serve takes NAME/VERSION or this", group=_OUT, required=True
    )
    overwrite: bool = flag(False, "replace a model that is there", group=_OUT)
