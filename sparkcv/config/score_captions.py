"""The flags of captioning a day's pictures into Parquet."""

import dataclasses

from sparkcv.config.caption_net import CaptionNetConfig
from sparkcv.config.flags import flag
from sparkcv.config.pictures import FORMATS, parse_background, parse_formats
from sparkcv.config.port_range import PortRange
from sparkcv.config.score import check_date

_IN, _OUT, _CARE, _CLUSTER = "input", "output", "care", "cluster"


@dataclasses.dataclass(frozen=True)
class ScoreCaptionsConfig(CaptionNetConfig):
    """Caption a day's pictures into Parquet, each exactly once, as one Spark job."""

    input: str = flag(
        None,
        "what is captioned: a folder of pictures, patterns, Parquet, a list of paths, or a Spark table, as for scoring",
        group=_IN,
        required=True,
    )
    input_column: str | None = flag(None, "column of the pictures in Parquet, CSV or a table", group=_IN)
    id_column: str | None = flag(None, "column of the ids there", group=_IN)
    formats: str = flag(",".join(FORMATS), "formats that are read, told by their first bytes", group=_IN)
    background: str = flag("ffffff", "RRGGBB, the colour that see-through pixels stand on", group=_IN)
    exif_orientation: bool = flag(True, "turn pictures as their EXIF or XMP says", group=_IN)
    output_dir: str = flag(None, "folder of all days, any storage URL", group=_OUT, required=True)
    date: str | None = flag(None, "the day, YYYY-MM-DD; not set: today, UTC", group=_OUT)
    overwrite: bool = flag(False, "replace a day that is there", group=_OUT)
    max_pixels: int = flag(2**26, "pixels above which a picture is not decoded", group=_CARE, least=1)
    bad_image_budget: float = flag(
        0.5, "share of rejects above which the run fails; without any caption it always does", group=_CARE, share=True
    )
    num_partitions: int | None = flag(None, "Spark tasks; not set: by input size", group=_CLUSTER, least=1)
    cluster_size: int | None = flag(None, "executors of the embedded Spark; not set: 2", group=_CLUSTER, least=1)
    executor_memory_mb: int = flag(1024, "JVM heap of an executor of the embedded Spark", group=_CLUSTER, least=1)
    num_intra_op_threads: int = flag(
        0, "threads of one TensorFlow op; 0: cores divided by executors", group=_CLUSTER, least=0
    )
    port_range: str | None = flag(
        None, "LOW-HIGH, the ports that the job and the embedded Spark may listen on; not set: any", group=_CLUSTER
    )

    def __post_init__(self) -> None:
        """Refuse what can never work, before anything starts."""
        super().__post_init__()
        PortRange.parse(self.port_range)
        parse_formats(self.formats)
        parse_background(self.background)
        check_date(self.date)
