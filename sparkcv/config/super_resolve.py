"""The flags of super-resolution: the picture, the examples, how patches are chosen."""

import dataclasses

from sparkcv.config.flags import MOST_SEED, Flags, flag
from sparkcv.errors import UsageError

__all__ = ["SuperResolveConfig"]

_PICTURES, _CHOICE, _COST = "pictures", "choice", "cost"


@dataclasses.dataclass(frozen=True)
class SuperResolveConfig(Flags):
    """Enlarge a picture by what example pictures look like up close (Freeman and Liu 2011)."""

    input: str = flag(None, "the picture to enlarge", group=_PICTURES, required=True)
    examples: tuple[str, ...] = flag(
        None,
        "one or more sharp pictures of the same kind, of the size that the output has",
        group=_PICTURES,
        required=True,
    )
    output: str = flag(None, "the picture to make: .jpg, .png or .webp", group=_PICTURES, required=True)
    overwrite: bool = flag(False, "replace an output that is there", group=_PICTURES)
    scale: int = flag(2, "factor of both sides", group=_CHOICE, least=2, most=4)
    patch_size: int = flag(5, "side in pixels, odd, of a patch of details", group=_CHOICE, least=3, most=15)
    overlap: int = flag(2, "pixels that neighbouring patches share", group=_CHOICE, least=1)
    candidates: int = flag(8, "patches that each place chooses from", group=_CHOICE, least=1, most=64)
    iterations: int = flag(5, "of belief propagation; 0: each place takes its best candidate", group=_CHOICE, least=0)
    max_patches: int = flag(
        100_000, "patches of examples that are kept, by chance where there are more", group=_COST, least=1
    )
    seed: int = flag(0, "of that chance", group=_COST, least=0, most=MOST_SEED)
    memory_mb: int = flag(2048, "memory of the job; a picture that wants more is refused", group=_COST, least=1)
    max_pixels: int = flag(40_000_000, "pixels above which a picture is not decoded", group=_COST, least=1)

    def __post_init__(self) -> None:
        """Refuse what can never work, before anything starts."""
        super().__post_init__()
        if self.patch_size % 2 == 0:
            raise UsageError(f"--patch_size: got {self.patch_size}, wanted an odd number")
        if self.overlap >= self.patch_size:
            raise UsageError(
                f"--overlap: got {self.overlap} for a --patch_size of {self.patch_size}, wanted less than that"
            )
