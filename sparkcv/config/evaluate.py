"""The flags of evaluation: those of TF-Slim's ``eval_image_classifier.py``, then ours."""

import dataclasses

from sparkcv.config import pictures, spark_flags
from sparkcv.config.flags import Flags, flag
from sparkcv.config.normalization import normalization_flag, statistics_flag
from sparkcv.config.port_range import PortRange
from sparkcv.errors import UsageError

_RUN, _DATA, _CARE, _CLUSTER = "run", "dataset and net", "care", "cluster"


@dataclasses.dataclass(frozen=True)
class EvalConfig(Flags):
    """Evaluate a checkpoint on a split, on Spark executors, and write a report."""

    checkpoint_path: str = flag(
        "/tmp/tfmodel/",
        "folder of checkpoints (the newest valid one), a prefix, or a model of the net as training takes",
        group=_RUN,
        required=True,
    )
    eval_dir: str = flag(
        "/tmp/tfmodel/", "folder for the results and report.html, any storage URL", group=_RUN, required=True
    )
    train_dir: str | None = flag(
        None, "run whose curves the report shows; not set: the folder of the checkpoint", group=_RUN
    )
    dataset_dir: str = flag(None, "folder of the TFRecord shards, any storage URL", group=_DATA, required=True)
    dataset_name: str = flag("imagenet", "name in the shards' file names", group=_DATA)
    dataset_split_name: str = flag("test", "split in the shards' file names", group=_DATA)
    labels_offset: int = flag(0, "subtracted from every label", group=_DATA, least=0)
    model_name: str = flag("inception_v3", "the net that the checkpoint is of", group=_DATA)
    preprocessing_name: str | None = flag(None, "preprocessing; not set: the net's own", group=_DATA)
    batch_size: int = flag(100, "examples a batch", group=_DATA, least=1)
    eval_image_size: int | None = flag(
        None, "side of the square input in pixels; not set: the net's own", group=_DATA, least=1
    )
    normalization: str | None = normalization_flag(_DATA)
    statistics: str | None = statistics_flag(_DATA, "those in the folder of the checkpoint")
    use_grayscale: bool = flag(False, "convert pictures to grey", group=_DATA)
    jpeg_arithmetic: str = pictures.jpeg_arithmetic(_DATA)
    exif_orientation: bool = pictures.exif_orientation(_DATA)
    image_feature: str = pictures.image_feature(_DATA)
    label_feature: str = pictures.label_feature(_DATA)
    num_preprocessing_threads: int = flag(4, "threads that decode", group=_DATA, least=1)
    max_num_batches: int | None = flag(
        None, "batches to evaluate in all; not set: the whole split", group=_RUN, least=1
    )
    moving_average_decay: float | None = flag(
        None, "set: evaluate the moving averages of the weights", group=_RUN, share=True
    )
    quantize: bool = flag(False, "only false: it needs tf.contrib, gone since TensorFlow 2", group=_RUN)
    master: str = flag("", "accepted, unused: Spark places the evaluators", group=_RUN)
    top_k: int = flag(5, "best scores among which a label counts for the second number, recall", group=_RUN, least=1)
    num_worst: int = flag(24, "worst mistakes that the report shows as pictures", group=_RUN, least=0)
    bad_record_budget: float = flag(0.001, "share of bad records that ends the run", group=_CARE, share=True)
    max_pixels: int = flag(2**26, "pixels above which a picture is not decoded", group=_CARE, least=1)
    cluster_size: int | None = flag(None, "evaluators; not set: the executors submitted", group=_CLUSTER, least=1)
    num_intra_op_threads: int = spark_flags.num_intra_op_threads(_CLUSTER, "evaluators")
    executor_memory_mb: int = spark_flags.executor_memory_mb(_CLUSTER)
    start_timeout_s: float = flag(120.0, "seconds in which all evaluators must have started", group=_CLUSTER, above=0)
    port_range: str | None = spark_flags.port_range(_CLUSTER)

    def __post_init__(self) -> None:
        """Refuse what can never work, before anything starts."""
        super().__post_init__()
        PortRange.parse(self.port_range)
        if self.quantize:
            raise UsageError(
                "--quantize true: it needs tf.contrib.quantize, which TensorFlow 2 does not have; wanted false"
            )
