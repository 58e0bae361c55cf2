"""The flags of fast style transfer: one picture, or a folder of them, through a trained transformer net."""

import dataclasses

from sparkcv.config import spark_flags
from sparkcv.config.flags import Flags, flag
from sparkcv.config.pictures import FORMATS, parse_background, parse_formats
from sparkcv.config.port_range import PortRange

_IN, _OUT, _CARE, _CLUSTER = "input", "output", "care", "cluster"
PADDINGS = ("reflect", "same")
WRITTEN = ("jpeg", "png", "webp")


@dataclasses.dataclass(frozen=True)
class StylizeConfig(Flags):
    """Give one picture, or each of a folder, the style that a transformer net was trained on; sizes stay."""

    input: str = flag(None, "a picture, or a folder of pictures, or patterns of them", group=_IN, required=True)
    style: str = flag(
        None,
        "the net: its folder or transformer.npz, a run's folder, a checkpoint of it or of a published net, or a dump of"
        " one (manifest.json)",
        group=_IN,
        required=True,
    )
    output: str = flag(None, "the picture to write, or the folder of a folder's pictures", group=_OUT, required=True)
    format: str | None = flag(
        None,
        "what is written; not set: each picture's own by its name, png where that is not written",
        group=_OUT,
        choices=WRITTEN,
    )
    quality: int = flag(95, "of JPEG and WebP", group=_OUT, least=1, most=100)
    overwrite: bool = flag(False, "replace what an earlier run wrote there", group=_OUT)
    padding: str = flag(
        "reflect", "mirror at the edges, or zeros there, exactly as the published program", group=_IN, choices=PADDINGS
    )
    formats: str = flag(",".join(FORMATS), "formats that are read, told by their first bytes", group=_IN)
    background: str = flag("ffffff", "RRGGBB, the colour that transparent pixels stand on", group=_IN)
    exif_orientation: bool = flag(True, "turn pictures as their EXIF or XMP says", group=_IN)
    max_pixels: int = flag(2**25, "pixels above which a picture is not decoded", group=_CARE, least=1)
    bad_image_budget: float = flag(
        0.5,
        "share of rejects of a folder above which the run fails; without any picture it always does",
        group=_CARE,
        share=True,
    )
    strip_pixels: int = flag(
        2**18,
        "pixels computed at once; a larger picture is computed in strips, with the same result",
        group=_CLUSTER,
        least=1,
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
