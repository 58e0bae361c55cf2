"""The flags of captioning pictures."""

import dataclasses

from sparkcv.config.caption_net import CaptionNetConfig
from sparkcv.config.flags import flag
from sparkcv.config.pictures import FORMATS, parse_formats

_IN = "input"


@dataclasses.dataclass(frozen=True)
class CaptionConfig(CaptionNetConfig):
    """Print captions of a picture, or of each picture in a folder."""

    input: str = flag(None, "a picture, or a folder of pictures; any storage URL", group=_IN, required=True, first=True)
    formats: str = flag(
        ",".join(FORMATS), "formats of picture files that are read, told by their first bytes", group=_IN
    )
    max_pixels: int = flag(2**26, "pixels above which a picture is refused", group=_IN, least=1)

    def __post_init__(self) -> None:
        """Refuse what can never work, before anything starts."""
        super().__post_init__()
        parse_formats(self.formats)
