"""The flags of the fit of statistics: the mean, the deviation and the whitening of a dataset's pixels."""

import dataclasses

from sparkcv.config import pictures, spark_flags
from sparkcv.config.flags import Flags, flag
from sparkcv.config.normalization import WHITENINGS
from sparkcv.config.port_range import PortRange
from sparkcv.errors import UsageError

_RUN, _DATA, _CARE, _CLUSTER = "run", "dataset and net", "care", "cluster"


@dataclasses.dataclass(frozen=True)
class StatisticsConfig(Flags):
    """Fit the statistics of a dataset's pixels, which --normalization of training needs, on Spark executors."""

    dataset_dir: str = flag(None, "folder of the TFRecord shards, any storage URL", group=_DATA, required=True)
    dataset_name: str = flag("imagenet", "name in the shards' file names", group=_DATA)
    dataset_split_name: str = flag("train", "split in the shards' file names", group=_DATA)
    model_name: str = flag("inception_v3", "the net whose pictures are prepared", group=_DATA)
    preprocessing_name: str | None = flag(None, "preprocessing; not set: the net's own", group=_DATA)
    image_size: int | None = flag(
        None, "side of the square input in pixels; not set: the net's own", group=_DATA, least=1
    )
    use_grayscale: bool = flag(False, "convert pictures to grey", group=_DATA)
    jpeg_arithmetic: str = pictures.jpeg_arithmetic(_DATA)
    exif_orientation: bool = pictures.exif_orientation(_DATA)
    image_feature: str = pictures.image_feature(_DATA)
    label_feature: str = pictures.label_feature(_DATA)
    whitening: str | None = flag(
        None, "also the matrix that whitens, for pictures of at most 32 x 32 in colour", group=_RUN, choices=WHITENINGS
    )
    epsilon: float = flag(
        0.01, "added to the variance of each component, where white is 1, before whitening divides", group=_RUN, above=0
    )
    output_file: str | None = flag(None, "file to write; not set: beside the shards, where training looks", group=_RUN)
    batch_size: int = flag(100, "pictures counted at once", group=_RUN, least=1)
    num_preprocessing_threads: int = flag(4, "threads that decode", group=_RUN, least=1)
    bad_record_budget: float = flag(0.001, "share of bad records that ends the run", group=_CARE, share=True)
    max_pixels: int = flag(2**26, "pixels above which a picture is not decoded", group=_CARE, least=1)
    cluster_size: int | None = flag(None, "workers; not set: the executors submitted", group=_CLUSTER, least=1)
    executor_memory_mb: int = spark_flags.executor_memory_mb(_CLUSTER)
    start_timeout_s: float = flag(120.0, "seconds in which all workers must have started", group=_CLUSTER, above=0)
    port_range: str | None = spark_flags.port_range(_CLUSTER)

    def __post_init__(self) -> None:
        """Refuse what can never work, before anything starts."""
        super().__post_init__()
        PortRange.parse(self.port_range)
        if self.whitening is None and self.epsilon != type(self).__dataclass_fields__["epsilon"].default:
            raise UsageError(f"--epsilon {self.epsilon:g} without --whitening: it has no effect; wanted --whitening")
