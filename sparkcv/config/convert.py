"""The flags of conversion: pictures to TF-Slim's TFRecord shards."""

import dataclasses

from sparkcv.config import checks
from sparkcv.config.flags import flag
from sparkcv.config.port_range import PortRange
from sparkcv.errors import UsageError

_IN, _OUT, _CARE, _CLUSTER = "input", "output", "care", "cluster"


@dataclasses.dataclass(frozen=True)
class ConvertConfig:
    """Convert pictures to TFRecord shards with labels.txt and manifest.json, as one Spark job."""

    images_dir: str | None = flag(None, "folder with one folder of pictures a class, any storage URL", group=_IN)
    labels_csv: str | None = flag(None, "CSV with the columns path,label, instead of --images_dir", group=_IN)
    dataset_dir: str | None = flag(None, "folder for the shards, any storage URL", group=_OUT)
    dataset_name: str = flag("pictures", "name in the shards' file names", group=_OUT)
    dataset_split_name: str = flag("train", "split in the shards' file names", group=_OUT)
    validation_fraction: float | None = flag(
        None, "share of every class that becomes the split 'validation', the rest 'train'", group=_OUT
    )
    num_shards: int = flag(5, "shards a split", group=_OUT)
    seed: int = flag(0, "seed of the order of the records", group=_OUT)
    overwrite: bool = flag(False, "replace a split of this name", group=_OUT)
    max_pixels: int = flag(2**26, "pixels above which a picture is refused", group=_CARE)
    bad_image_budget: float = flag(1.0, "share of unusable pictures that fails the conversion", group=_CARE)
    cluster_size: int | None = flag(None, "executors of the embedded Spark; not set: 2", group=_CLUSTER)
    port_range: str | None = flag(
        None, "LOW-HIGH, the ports that the job and the embedded Spark may listen on; not set: any", group=_CLUSTER
    )

    def __post_init__(self) -> None:
        """Refuse what can never work, before anything starts."""
        PortRange.parse(self.port_range)
        checks.given(self, ("dataset_dir", "dataset_name", "dataset_split_name"))
        if (self.images_dir is None) == (self.labels_csv is None):
            got = "neither" if self.images_dir is None else "both"
            raise UsageError(f"got {got} of --images_dir and --labels_csv, wanted one of them")
        checks.at_least(self, 1, ("num_shards", "max_pixels", "cluster_size"))
        checks.at_least(self, 0, ("seed",))
        checks.share(self, ("bad_image_budget",))
        if self.validation_fraction is not None and not 0 < self.validation_fraction < 1:
            raise UsageError(f"--validation_fraction: got {self.validation_fraction}, wanted between 0 and 1")
        for name in ("dataset_name", "dataset_split_name"):
            value = getattr(self, name)
            if not value.replace("-", "_").replace(".", "_").isidentifier() or ".." in value:
                raise UsageError(f"--{name}: got {value!r}, wanted letters, digits, '_', '-' or '.' only")
