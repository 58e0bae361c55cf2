"""The flags of captioning pictures."""

import dataclasses

from sparkcv.config.flags import Flags, flag
from sparkcv.config.pictures import FORMATS, parse_formats
from sparkcv.errors import UsageError

_IN, _NET, _SEARCH = "input", "net", "search"


@dataclasses.dataclass(frozen=True)
class CaptionConfig(Flags):
    """Print captions of a picture, or of each picture in a folder."""

    input: str = flag(None, "a picture, or a folder of pictures; any storage URL", group=_IN, required=True, first=True)
    formats: str = flag(
        ",".join(FORMATS), "formats of picture files that are read, told by their first bytes", group=_IN
    )
    max_pixels: int = flag(2**26, "pixels above which a picture is refused", group=_IN, least=1)
    checkpoint_path: str = flag(
        None,
        "folder of a training of captions, or the prefix of a checkpoint, one that im2txt's program wrote among them",
        group=_NET,
        required=True,
    )
    vocabulary: str | None = flag(
        None, "word_counts.txt that it was trained with; not set: that of the training's folder", group=_NET
    )
    model_name: str | None = flag(
        None, "the encoder; not set: the training's own, inception_v3 for checkpoints of others", group=_NET
    )
    preprocessing_name: str | None = flag(None, "preprocessing; not set: the training's, or the net's own", group=_NET)
    image_size: int | None = flag(
        None, "side of the square input in pixels; not set: the training's, or the net's own", group=_NET, least=1
    )
    beam_size: int = flag(
        3, "captions that are searched at a time, and told; 1: greedy", group=_SEARCH, least=1, most=100
    )
    max_words: int = flag(20, "words of a caption at most, its begin among them", group=_SEARCH, least=2, most=1000)
    length_normalization: float = flag(
        0.0,
        "x: captions are compared by the logarithm of their probability divided by words ** x; 0: not divided",
        group=_SEARCH,
        least=0,
        most=10,
    )
    batch_size: int = flag(32, "pictures that are searched together", group=_SEARCH, least=1, most=1024)

    def __post_init__(self) -> None:
        """Refuse what can never work, before anything starts."""
        super().__post_init__()
        parse_formats(self.formats)
        if self.vocabulary == "":
            raise UsageError("--vocabulary: got nothing, wanted a file word_counts.txt")
