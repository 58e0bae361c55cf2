"""The flags of fast style transfer: one picture, or a folder of them, through a trained transformer net."""

import dataclasses

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
    background: str = flag("ffffff", "RRGGBB, the colour that see-through pixels stand on", group=_IN)
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
