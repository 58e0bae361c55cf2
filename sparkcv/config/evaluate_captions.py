"""The flags of evaluating captions."""

import dataclasses

from sparkcv.config.caption_net import CaptionNetConfig
from sparkcv.config.flags import flag

_RUN, _DATA, _CARE = "run", "dataset", "care"


@dataclasses.dataclass(frozen=True)
class EvaluateCaptionsConfig(CaptionNetConfig):
    """Hold a net's captions against those of a split: perplexity, BLEU, repetitions, and a page with pictures."""

    dataset_dir: str = flag(
        None, "folder of the shards that convertcaptions wrote, any storage URL", group=_DATA, required=True
    )
    dataset_name: str = flag("captions", "name in the shards' file names", group=_DATA)
    dataset_split_name: str = flag("validation", "split in the shards' file names", group=_DATA)
    eval_dir: str = flag(None, "folder for evaluation.json and report.html, any storage URL", group=_RUN, required=True)
    num_samples: int = flag(24, "pictures that the report shows with their captions", group=_RUN, least=0, most=1000)
    bad_record_budget: float = flag(0.001, "share of bad records that fails the evaluation", group=_CARE, share=True)
    max_pixels: int = flag(2**26, "pixels above which a picture is not decoded", group=_CARE, least=1)
