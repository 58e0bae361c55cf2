"""The flags of texture synthesis: the sample, how large the texture becomes, how its pixels are chosen."""

import dataclasses

from sparkcv.config.flags import MOST_SEED, Flags, flag
from sparkcv.errors import UsageError

__all__ = ["TextureConfig"]

_PICTURES, _GROWTH, _COST = "pictures", "growth", "cost"


@dataclasses.dataclass(frozen=True)
class TextureConfig(Flags):
    """Grow a texture from a sample, pixel by pixel (Efros and Leung 1999)."""

    input: str = flag(None, "the picture that is the sample", group=_PICTURES, required=True)
    output: str = flag(None, "the picture to make: .jpg, .png or .webp", group=_PICTURES, required=True)
    overwrite: bool = flag(False, "replace an output that is there", group=_PICTURES)
    width: int = flag(128, "of the texture in pixels", group=_GROWTH, least=3, most=2048)
    height: int = flag(128, "of the texture in pixels", group=_GROWTH, least=3, most=2048)
    window: int = flag(
        11,
        "side in pixels, odd, of what is compared: as large as the largest feature that comes again and again",
        group=_GROWTH,
        least=3,
        most=63,
    )
    error_threshold: float = flag(
        0.1, "how much worse than the best a window may be that is still taken, as a share", group=_GROWTH, least=0
    )
    start: str = flag(
        "patch",
        "what stands in the middle at first: 3x3 pixels of the sample, or the sample, which is continued",
        group=_GROWTH,
        choices=("patch", "sample"),
    )
    seed: int = flag(0, "of all that is random", group=_GROWTH, least=0, most=MOST_SEED)
    memory_mb: int = flag(1024, "memory for the sample's windows; a sample with more is refused", group=_COST, least=1)
    max_pixels: int = flag(40_000_000, "pixels above which a picture is not decoded", group=_COST, least=1)

    def __post_init__(self) -> None:
        """Refuse what can never work, before anything starts."""
        super().__post_init__()
        if self.window % 2 == 0:
            raise UsageError(f"--window: got {self.window}, wanted an odd number: a pixel stands in its middle")
