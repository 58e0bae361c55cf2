"""The flags of export: those of TF-Slim's ``export_inference_graph.py``, then ours."""

import dataclasses

from sparkcv.config import spark_flags
from sparkcv.config.flags import Flags, flag
from sparkcv.config.normalization import normalization_flag, statistics_flag
from sparkcv.config.pictures import JPEG_ARITHMETIC
from sparkcv.config.port_range import PortRange
from sparkcv.errors import UsageError

_RUN, _NET = "run", "dataset and net"


@dataclasses.dataclass(frozen=True)
class ExportConfig(Flags):
    """Export a checkpoint as SavedModel and frozen graph, load both again, and score one picture with each."""

    checkpoint_path: str = flag(
        None,
        "folder of checkpoints (the newest valid one), a prefix, or a model of the net as training takes",
        group=_RUN,
        required=True,
    )
    model_dir: str = flag(None, "folder for the model, any storage URL", group=_RUN, required=True)
    eval_dir: str = flag(
        "", "folder with the result of the checkpoint's evaluation; not set: of the run's own, if any", group=_RUN
    )
    output_file: str = flag("", "a second place for the frozen .pb, as slim's flag", group=_RUN)
    dataset_dir: str = flag("", "folder that holds labels.txt; not set: read from the run's run.json", group=_NET)
    dataset_name: str = flag("imagenet", "dataset whose labels the model carries", group=_NET)
    labels_offset: int = flag(0, "subtracted from every label in training", group=_NET, least=0)
    model_name: str = flag("inception_v3", "the net that the checkpoint is of", group=_NET)
    preprocessing_name: str | None = flag(None, "preprocessing; not set: the net's own", group=_NET)
    image_size: int | None = flag(
        None, "side of the square input in pixels; not set: the net's own", group=_NET, least=1
    )
    normalization: str | None = normalization_flag(_NET)
    statistics: str | None = statistics_flag(_NET, "those in the folder of the checkpoint")
    use_grayscale: bool = flag(False, "convert pictures to grey", group=_NET)
    jpeg_arithmetic: str | None = flag(
        None, "how JPEG is decoded, said in model.json; not set: as in training", group=_NET, choices=JPEG_ARITHMETIC
    )
    batch_size: int | None = flag(None, "fixed batch size of the graph; not set: any", group=_NET, least=1)
    is_training: bool = flag(False, "only false: a graph in training mode is no model to score with", group=_NET)
    quantize: bool = flag(False, "only false: it needs tf.contrib, gone since TensorFlow 2", group=_NET)
    is_video_model: bool = flag(False, "only false: the nets here take pictures", group=_NET)
    num_frames: int | None = flag(None, "only unset: the nets here take pictures", group=_NET)
    write_text_graphdef: bool = flag(
        False, "write --output_file in protobuf's text form (.pbtxt), some times larger", group=_RUN
    )
    moving_average_decay: float | None = flag(
        None, "set: export the moving averages of the weights", group=_RUN, share=True
    )
    executor_memory_mb: int = spark_flags.executor_memory_mb("cluster")
    start_timeout_s: float = flag(120.0, "seconds in which the exporter must have started", group="cluster", above=0)
    port_range: str | None = spark_flags.port_range("cluster")

    def __post_init__(self) -> None:
        """Refuse what can never work, before anything starts."""
        super().__post_init__()
        PortRange.parse(self.port_range)
        if self.is_training:
            raise UsageError("--is_training true: a graph in training mode gives no stable scores; wanted false")
        if self.is_video_model or self.num_frames is not None:
            given = "--is_video_model true" if self.is_video_model else f"--num_frames {self.num_frames}"
            raise UsageError(
                f"{given}: slim's video nets (i3d, s3dg) are none of the nets here, which take pictures; wanted neither"
                " --is_video_model nor --num_frames"
            )
        if self.write_text_graphdef and not self.output_file:
            raise UsageError("--write_text_graphdef true without --output_file, which it is the form of; wanted both")
        if self.quantize:
            raise UsageError(
                "--quantize true: it needs tf.contrib.quantize, which TensorFlow 2 does not have; wanted false"
            )
