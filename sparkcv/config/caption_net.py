"""The flags of a net of captions and of its search, which every job that captions pictures has."""

import dataclasses

from sparkcv.config.flags import Flags, flag
from sparkcv.errors import UsageError

NET, SEARCH = "net", "search"

MOST_BEAMS = 100
"""Captions that a search keeps of a picture, at most."""


@dataclasses.dataclass(frozen=True)
class CaptionNetConfig(Flags):
    """A trained net of captions, and how it searches for them."""

    checkpoint_path: str = flag(
        None,
        "folder of a training of captions or of an exported model, or the prefix of a checkpoint, one that im2txt's"
        " program wrote among them",
        group=NET,
        required=True,
    )
    vocabulary: str | None = flag(
        None, "word_counts.txt that it was trained with; not set: that of the training's folder", group=NET
    )
    model_name: str | None = flag(
        None, "the encoder; not set: the training's own, inception_v3 for checkpoints of others", group=NET
    )
    preprocessing_name: str | None = flag(None, "preprocessing; not set: the training's, or the net's own", group=NET)
    image_size: int | None = flag(
        None, "side of the square input in pixels; not set: the training's, or the net's own", group=NET, least=1
    )
    beam_size: int | None = flag(
        None,
        "captions that are searched at a time, and told; 1: greedy; not set: the exported model's own, or 3",
        group=SEARCH,
        least=1,
        most=MOST_BEAMS,
    )
    max_words: int | None = flag(
        None,
        "words of a caption at most, its begin among them; not set: the exported model's own, or 20",
        group=SEARCH,
        least=2,
        most=1000,
    )
    length_normalization: float | None = flag(
        None,
        "x: captions are compared by the logarithm of their probability divided by words ** x; 0: not divided; not"
        " set: the exported model's own, or 0",
        group=SEARCH,
        least=0,
        most=10,
    )
    batch_size: int = flag(32, "pictures that are searched together", group=SEARCH, least=1, most=1024)

    def __post_init__(self) -> None:
        """Refuse what can never work, before anything starts."""
        super().__post_init__()
        if self.vocabulary == "":
            raise UsageError("--vocabulary: got nothing, wanted a file word_counts.txt")
