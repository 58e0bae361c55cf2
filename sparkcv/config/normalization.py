"""What becomes of pixels before a net sees them, where that is not the preprocessing's own: the same on every path."""

from typing import Any

from sparkcv.config.flags import flag

__all__ = ["NEEDS_STATISTICS", "NORMALIZATIONS", "OWN", "WHITENINGS", "normalization_flag", "statistics_flag"]

OWN = "own"
WHITENINGS = ("pca", "zca")
NEEDS_STATISTICS = ("mean", "feature_wise", *WHITENINGS)
NORMALIZATIONS = (OWN, "rescale", "mean", "per_image", "feature_wise", *WHITENINGS)


def normalization_flag(group: str, default: str | None = None) -> Any:
    """Declare ``--normalization`` of a job that prepares pictures."""
    meaning = "" if default else "; not set: as in training"
    return flag(
        default,
        "what becomes of pixels: the preprocessing's own range; 0 to 1; less the dataset's mean; standardized, each"
        f" picture by itself or by the dataset; whitened by PCA or ZCA{meaning}",
        group=group,
        choices=NORMALIZATIONS,
    )


def statistics_flag(group: str, where: str) -> Any:
    """Declare ``--statistics``; ``where`` says which file is taken without it."""
    return flag(
        None, f"for --normalization: file that sparkcv statistics wrote, any storage URL; not set: {where}", group=group
    )
