"""How pixels are normalized, as a value that names itself in ``run.json`` and ``model.json``; without TensorFlow."""

import dataclasses

from sparkcv.config.normalization import NEEDS_STATISTICS, NORMALIZATIONS, OWN, WHITENINGS
from sparkcv.errors import DataError, UsageError
from sparkcv.records.statistics import Statistics

__all__ = ["Normalization", "OWN_RANGE"]

_RANGES = {
    "rescale": "[0, 1]",
    "mean": "[-1, 1]: 0 to 1 less the mean of each channel over the dataset",
    "per_image": "standardized: mean 0 and standard deviation 1 in each picture",
    "feature_wise": "standardized: mean 0 and standard deviation 1 in each channel over the dataset",
    "pca": "whitened: components of mean 0 and variance 1 over the dataset, largest first",
    "zca": "whitened: pixels of mean 0 and variance 1 over the dataset, not correlated",
}


@dataclasses.dataclass(frozen=True)
class Normalization:
    """One of :data:`sparkcv.config.normalization.NORMALIZATIONS`, with the dataset's statistics if it needs them.

    Raises UsageError for a kind that there is not, and DataError for statistics that do not have what the kind needs.
    """

    kind: str = OWN
    statistics: Statistics | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be applied."""
        if self.kind not in NORMALIZATIONS:
            raise UsageError(f"--normalization: got {self.kind!r}, wanted one of {', '.join(NORMALIZATIONS)}")
        if (self.kind in NEEDS_STATISTICS) != (self.statistics is not None):
            without = "without" if self.statistics is None else "with"
            raise UsageError(f"--normalization {self.kind} {without} statistics")
        if self.statistics is not None and self.kind in WHITENINGS and self.statistics.whitening != self.kind:
            got = self.statistics.whitening or "no whitening"
            raise DataError(
                f"the statistics of {self.statistics.of} have {got}, wanted {self.kind}: fit them anew with --whitening"
                f" {self.kind}"
            )

    @property
    def is_own(self) -> bool:
        """Whether it leaves the family's own scaling."""
        return self.kind == OWN

    @property
    def value_range(self) -> str:
        """Say what the values are; "" for the family's own."""
        return _RANGES.get(self.kind, "")


OWN_RANGE = Normalization()
"""The family's own scaling, as TF-Slim has it."""
