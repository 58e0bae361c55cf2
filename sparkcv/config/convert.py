"""The flags of conversion: pictures to TF-Slim's TFRecord shards."""

import dataclasses

from sparkcv.config import spark_flags, tables
from sparkcv.config.flags import MOST_SEED, Flags, flag
from sparkcv.config.pictures import FORMATS, parse_background, parse_formats
from sparkcv.config.port_range import PortRange
from sparkcv.config.split_names import check_names
from sparkcv.errors import UsageError

_DOWNLOADED = ("cifar10", "flowers", "mnist", "visualwakewords")
_SOURCES = ("images_dir", "labels_csv", "gnt_dir")
_IN, _OUT, _CARE, _CLUSTER = "input", "output", "care", "cluster"


@dataclasses.dataclass(frozen=True)
class ConvertConfig(Flags):
    """Convert pictures to TFRecord shards with labels.txt and manifest.json, as one Spark job."""

    images_dir: str | None = flag(None, "folder with one folder of pictures a class, any storage URL", group=_IN)
    labels_csv: str | None = flag(None, "CSV with the columns path,label, instead of --images_dir", group=_IN)
    gnt_dir: str | None = flag(
        None, "folder of GNT files, handwriting whose characters are the classes, instead of --images_dir", group=_IN
    )
    dataset_table: str | None = tables.dataset_table(_IN)
    dataset_query: str | None = tables.dataset_query(_IN)
    image_column: str = tables.image_column(_IN)
    label_column: str = tables.label_column(_IN)
    name_column: str | None = tables.name_column(_IN)
    formats: str = flag(
        ",".join(FORMATS), "formats of picture files that are read, told by their first bytes", group=_IN
    )
    background: str = flag("ffffff", "RRGGBB, the colour that transparent pixels of picture files stand on", group=_IN)
    exif_orientation: bool = flag(
        True, "note how EXIF or XMP says that a picture is turned, as image/orientation of its record", group=_IN
    )
    resize_short_side: int | None = flag(
        None,
        "pixels of the shorter side of larger pictures, which become JPEG; smaller ones stay as they are",
        group=_OUT,
        least=8,
        most=65535,
    )
    resize_quality: int = flag(90, "JPEG quality of resized pictures", group=_OUT, least=1, most=100)
    dataset_dir: str = flag(None, "folder for the shards, any storage URL", group=_OUT, required=True)
    dataset_name: str = flag("pictures", "name in the shards' file names", group=_OUT, required=True)
    dataset_split_name: str = flag("train", "split in the shards' file names", group=_OUT, required=True)
    validation_fraction: float | None = flag(
        None, "share of every class that becomes the split 'validation', the rest 'train'", group=_OUT, above=0, below=1
    )
    num_shards: int = flag(5, "shards a split", group=_OUT, least=1)
    seed: int = flag(0, "seed of the order of the records", group=_OUT, least=0, most=MOST_SEED)
    overwrite: bool = flag(False, "replace a split of this name", group=_OUT)
    small_object_area_threshold: float | None = flag(
        None, "only unset: slim's visualwakewords is made from COCO's boxes, which are not read here", group=_IN
    )
    foreground_class_of_interest: str | None = flag(
        None, "only unset: slim's visualwakewords is made from COCO's boxes, which are not read here", group=_IN
    )
    max_pixels: int = flag(2**26, "pixels above which a picture is refused", group=_CARE, least=1)
    bad_image_budget: float = flag(1.0, "share of unusable pictures that fails the conversion", group=_CARE, share=True)
    cluster_size: int | None = spark_flags.cluster_size(_CLUSTER)
    port_range: str | None = spark_flags.port_range(_CLUSTER)

    def __post_init__(self) -> None:
        """Refuse what can never work, before anything starts."""
        super().__post_init__()
        PortRange.parse(self.port_range)
        parse_formats(self.formats)
        parse_background(self.background)
        for name in ("small_object_area_threshold", "foreground_class_of_interest"):
            if getattr(self, name) is not None:
                raise UsageError(
                    f"--{name} {getattr(self, name)}: it chooses among COCO's boxes for slim's visualwakewords, and"
                    " boxes are not read here; wanted pictures by class, --images_dir or --labels_csv"
                )
        if self.resize_short_side is None and self.resize_quality != 90:
            raise UsageError(
                f"--resize_quality {self.resize_quality} without --resize_short_side: got nothing to resize"
            )
        self._check_source()
        check_names(self)

    def _check_source(self) -> None:
        """Refuse another number of sources than one, and flags of picture files where there are none."""
        given = [f"--{name}" for name in _SOURCES if getattr(self, name) is not None]
        if tables.check_table(self):
            given.append("--dataset_table" if self.dataset_table else "--dataset_query")
        if len(given) != 1:
            hint = ""
            if not given and self.dataset_name in _DOWNLOADED:
                hint = f"; {self.dataset_name}, which slim's script downloads, is to be given as pictures here"
            *others, last = (f"--{name}" for name in (*_SOURCES, "dataset_table", "dataset_query"))
            got = " and ".join(given) or f"none of {', '.join(others)} and {last}"
            raise UsageError(f"got {got}, wanted one of them{hint}")
        if self.gnt_dir is not None:
            for name in ("formats", "background", "exif_orientation", "resize_short_side"):
                if getattr(self, name) != type(self).__dataclass_fields__[name].default:
                    raise UsageError(
                        f"--{name} {getattr(self, name)} with --gnt_dir: it is of picture files, wanted none"
                    )
