"""The flags of batch inference: pictures to Parquet, every id exactly once."""

import dataclasses
import datetime

from sparkcv.config import spark_flags
from sparkcv.config.engines import PRECISIONS, engine_flag
from sparkcv.config.flags import Flags, flag
from sparkcv.config.pictures import FORMATS, parse_background, parse_formats
from sparkcv.config.port_range import PortRange
from sparkcv.errors import UsageError

_IN, _OUT, _CARE, _CLUSTER, _NET = "input", "output", "care", "cluster", "net"


@dataclasses.dataclass(frozen=True)
class ScoreConfig(Flags):
    """Score pictures with an exported model into Parquet, every input id exactly once, rejects beside it."""

    input: str = flag(
        None,
        "folder of pictures, TFRecord shards, or Parquet with a path or bytes column; patterns such as a/{b,c}/*.jpg, "
        "several with commas; a text or CSV file of paths; a table that Spark knows, or SQL",
        group=_IN,
        required=True,
    )
    input_column: str | None = flag(
        None, "column of paths or bytes, or a field of one (image.bytes); not set: found by name", group=_IN
    )
    id_column: str | None = flag(None, "column of ids; not set: the path", group=_IN)
    keep_columns: str | None = flag(
        None, "other columns that the scores keep, with commas, or none; not set: all but binary ones", group=_IN
    )
    model_dir: str = flag(None, "folder of the exported model", group=_IN, required=True)
    output_dir: str = flag(None, "folder under which dt=DATE/ is published", group=_OUT, required=True)
    date: str | None = flag(None, "the day scored, YYYY-MM-DD; not set: today, UTC", group=_OUT)
    overwrite: bool = flag(False, "replace what is already there for this date", group=_OUT)
    table_format: str = flag(
        "parquet",
        "parquet: a folder dt=DATE/ a day; delta: an open table (Delta Lake), which needs the extra delta",
        group=_OUT,
        choices=("parquet", "delta"),
    )
    vacuum_days: int | None = flag(
        None,
        "delta: after the night, delete files that no version of so many days needs; not set: none",
        group=_OUT,
        least=1,
    )
    evolve_schema: bool = flag(False, "let the table get columns of the input that it does not have yet", group=_OUT)
    report_samples: int = flag(
        4, "pictures a label and a reason that report.html shows; 0: no picture", group=_OUT, least=0, most=20
    )
    trailing_nights: int = flag(7, "days before that labels are compared with", group=_OUT, least=0, most=366)
    labels_from: str | None = flag(
        None,
        "what pictures are known to show, for metrics: records (text, else number, of shards), folders (of a tree), or"
        " none; not set: the text of shards",
        group=_IN,
        choices=("none", "records", "folders"),
    )
    label_column: str | None = flag(
        None, "column of a table that names what a picture is known to show, for metrics", group=_IN
    )
    formats: str = flag(
        ",".join(FORMATS), "formats of picture files that are read, told by their first bytes", group=_IN
    )
    background: str = flag("ffffff", "RRGGBB, the colour that transparent pixels of picture files stand on", group=_IN)
    exif_orientation: bool | None = flag(
        None,
        "turn pictures as their EXIF or XMP says; not set: those of files, and of shards only what image/orientation"
        " says",
        group=_IN,
    )
    image_feature: str = flag("image/encoded", "feature of TFRecord shards that holds the picture", group=_IN)
    engine: str = engine_flag(_NET)
    precision: str = flag(
        "fp32",
        "what the net computes in: fp32, bf16, int8 (of OpenVINO and the extra int8), or auto, which is bf16 where that"
        " agrees with fp32",
        group=_NET,
        choices=PRECISIONS,
    )
    calibrate: int = flag(
        256,
        "pictures of the input on which bf16 and int8 are measured against fp32; int8 is calibrated on as many more",
        group=_NET,
        least=1,
    )
    features: str | None = flag(
        None, "end point of the net whose values, maps by their mean, become the column features", group=_NET
    )
    top_k: int = flag(5, "best classes kept a picture", group=_OUT, least=1)
    batch_size: int = flag(32, "pictures a batch", group=_CLUSTER, least=1)
    num_partitions: int | None = spark_flags.num_partitions(_CLUSTER)
    cluster_size: int | None = spark_flags.cluster_size(_CLUSTER)
    executor_memory_mb: int = spark_flags.stage_memory_mb(_CLUSTER)
    num_intra_op_threads: int = spark_flags.num_intra_op_threads(_CLUSTER)
    port_range: str | None = spark_flags.port_range(_CLUSTER)
    bad_image_budget: float = flag(
        0.5,
        "share of rejects above which the run fails; without any prediction it always does",
        group=_CARE,
        share=True,
    )
    damaged: str = flag(
        "mark",
        "JPEGs that decode but lost pixels inside: mark them in the column damaged, reject them, or ignore, which does"
        " not look for them",
        group=_CARE,
        choices=("mark", "reject", "ignore"),
    )
    picture_cpu_s: float = flag(
        60.0, "seconds of CPU time that reading one picture may take; above that it is rejected", group=_CARE, above=0.0
    )
    max_pixels: int = flag(2**26, "pixels above which a picture is not decoded", group=_CARE, least=1)

    def __post_init__(self) -> None:
        """Refuse what can never work, before anything starts."""
        super().__post_init__()
        PortRange.parse(self.port_range)
        parse_formats(self.formats)
        parse_background(self.background)
        if self.vacuum_days is not None and self.table_format != "delta":
            raise UsageError(f"--vacuum_days: got {self.vacuum_days} with --table_format parquet, wanted delta")
        if self.label_column and self.labels_from:
            raise UsageError(f"--label_column: got it with --labels_from {self.labels_from}, wanted one of them")
        check_date(self.date)


def check_date(date: str | None) -> None:
    """Raise UsageError unless ``--date`` is a day as YYYY-MM-DD, or None."""
    if date is None:
        return
    try:
        parsed = datetime.date.fromisoformat(date)
    except ValueError as err:
        raise UsageError(f"--date: got {date!r}, wanted a day as YYYY-MM-DD") from err
    if parsed.isoformat() != date:
        raise UsageError(f"--date: got {date!r}, wanted a day as YYYY-MM-DD")
