"""The flags of evaluating pictures that were made from captions."""

import dataclasses

from sparkcv.config.flags import MOST_SEED, Flags, flag
from sparkcv.errors import UsageError

_IN, _OUT = "input", "output"


@dataclasses.dataclass(frozen=True)
class EvaluateText2ImageConfig(Flags):
    """Make pictures from captions, and have a classifier judge how they fit, and how near they are to real ones."""

    checkpoint_path: str = flag(
        None,
        "folder of a training of pictures from captions, or the prefix of one of its checkpoints",
        group=_IN,
        required=True,
    )
    judge_path: str = flag(
        None,
        "folder of a training of a classifier, the words of whose classes stand in the captions, or a checkpoint of it",
        group=_IN,
        required=True,
    )
    captions_file: str = flag(
        None,
        "captions of real pictures, held out: COCO's JSON, a token file or a CSV path,caption; any storage URL",
        group=_IN,
        required=True,
    )
    features_path: str | None = flag(
        None,
        "another net, by whose features the Frechet distance is taken: a checkpoint, the folder of its training, or a"
        " model as for training's --checkpoint_path; not set: the classifier",
        group=_IN,
    )
    features_model: str | None = flag(None, "the net of --features_path; not set: that of its training", group=_IN)
    images_dir: str | None = flag(
        None, "folder that the pictures' paths are relative to; not set: that of --captions_file", group=_IN
    )
    vectors: str | None = flag(None, "captions' vectors, for nets that were trained on vectors", group=_IN)
    max_pictures: int = flag(200, "pictures of the file that are taken, drawn by --seed", group=_IN, least=2)
    max_words: int = flag(100, "words of a caption at most", group=_IN, least=1, most=1000)
    output_dir: str = flag(
        None, "new folder for evaluation.json, report.html and grid.png; any storage URL", group=_OUT, required=True
    )
    num_pictures: int = flag(1, "pictures that are made of each caption", group=_OUT, least=1, most=100)
    seed: int = flag(0, "seed of what is drawn", group=_OUT, least=0, most=MOST_SEED)

    def __post_init__(self) -> None:
        """Refuse what can never work, before anything starts."""
        super().__post_init__()
        if self.features_model is not None and self.features_path is None:
            raise UsageError("--features_model without --features_path: got no weights of it, wanted both")
