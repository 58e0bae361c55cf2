"""The flags of captioning a day's pictures into Parquet."""

import dataclasses

from sparkcv.config import spark_flags
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
    background: str = flag("ffffff", "RRGGBB, the colour that transparent pixels stand on", group=_IN)
    exif_orientation: bool = flag(True, "turn pictures as their EXIF or XMP says", group=_IN)
    output_dir: str = flag(None, "folder of all days, any storage URL", group=_OUT, required=True)
    date: str | None = flag(None, "the day, YYYY-MM-DD; not set: today, UTC", group=_OUT)
    overwrite: bool = flag(False, "replace a day that is there", group=_OUT)
    max_pixels: int = flag(2**26, "pixels above which a picture is not decoded", group=_CARE, least=1)
    bad_image_budget: float = flag(
        0.5, "share of rejects above which the run fails; without any caption it always does", group=_CARE, share=True
    )
    num_partitions: int | None = spark_flags.num_partitions(_CLUSTER)
    cluster_size: int | None = spark_flags.cluster_size(_CLUSTER)
    executor_memory_mb: int = spark_flags.stage_memory_mb(_CLUSTER)
    num_intra_op_threads: int = spark_flags.num_intra_op_threads(_CLUSTER)
    port_range: str | None = spark_flags.port_range(_CLUSTER)

    def __post_init__(self) -> None:
        """Refuse what can never work, before anything starts."""
        super().__post_init__()
        PortRange.parse(self.port_range)
        parse_formats(self.formats)
        parse_background(self.background)
        check_date(self.date)
