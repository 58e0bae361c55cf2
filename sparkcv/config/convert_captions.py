"""The flags of the conversion of pictures with captions to shards of SequenceExamples."""

import dataclasses

from sparkcv.config import spark_flags
from sparkcv.config.flags import MOST_SEED, Flags, flag
from sparkcv.config.pictures import FORMATS, parse_formats
from sparkcv.config.port_range import PortRange
from sparkcv.config.split_names import check_names
from sparkcv.errors import UsageError

_SOURCES = ("captions_file", "dataset_table", "dataset_query")
_IN, _OUT, _WORDS, _CARE, _CLUSTER = "input", "output", "words", "care", "cluster"


@dataclasses.dataclass(frozen=True)
class ConvertCaptionsConfig(Flags):
    """Convert pictures with captions to TFRecord shards, word_counts.txt and manifest.json, as one Spark job."""

    captions_file: str | None = flag(
        None,
        "COCO's captions_*.json, a token file of Flickr8k or Flickr30k, or a CSV with the columns path,caption; any"
        " storage URL",
        group=_IN,
    )
    dataset_table: str | None = flag(
        None, "table that Spark knows, a row for each caption, in place of --captions_file", group=_IN
    )
    dataset_query: str | None = flag(None, "SQL whose rows are paths and captions, in place of a table", group=_IN)
    path_column: str = flag("path", "column of a table that holds the path of a picture's file", group=_IN)
    caption_column: str = flag("caption", "column of a table that holds a caption, or a list of them", group=_IN)
    images_dir: str | None = flag(
        None, "folder that the pictures' paths are relative to; not set: that of --captions_file", group=_IN
    )
    formats: str = flag(
        ",".join(FORMATS), "formats of picture files that are read, told by their first bytes", group=_IN
    )
    exif_orientation: bool = flag(
        True, "note how EXIF or XMP says that a picture is turned, as image/orientation of its record", group=_IN
    )
    dataset_dir: str = flag(None, "folder for the shards, any storage URL", group=_OUT, required=True)
    dataset_name: str = flag("captions", "name in the shards' file names", group=_OUT, required=True)
    dataset_split_name: str = flag("train", "split in the shards' file names", group=_OUT, required=True)
    validation_fraction: float | None = flag(
        None,
        "share of the pictures that becomes the split 'validation', the rest 'train'",
        group=_OUT,
        above=0,
        below=1,
    )
    num_shards: int = flag(5, "shards a split", group=_OUT, least=1)
    record_per_caption: bool = flag(
        False,
        "a record for each caption, as im2txt has it, the picture in each of them; else a picture is stored once",
        group=_OUT,
    )
    resize_short_side: int | None = flag(
        None,
        "pixels of the shorter side of larger pictures, which become JPEG; smaller ones stay as they are",
        group=_OUT,
        least=8,
        most=65535,
    )
    seed: int = flag(
        0, "seed of the order of the records, and of what is for validation", group=_OUT, least=0, most=MOST_SEED
    )
    overwrite: bool = flag(False, "replace a split of this name", group=_OUT)
    vocabulary: str | None = flag(
        None,
        "word_counts.txt whose words have the ids; not set: that of the splits that are there, else the words of the"
        " captions to train on",
        group=_WORDS,
    )
    min_word_count: int = flag(4, "times that a word of the vocabulary must occur", group=_WORDS, least=1)
    vectors: str | None = flag(
        None,
        "captions' vectors, which are stored too, for a training of pictures from captions: .npz, .parquet, or .hdf5 of"
        " skip-thought's form; any storage URL",
        group=_WORDS,
    )
    max_words: int = flag(100, "words of a caption above which it is rejected", group=_WORDS, least=1, most=1000)
    max_pixels: int = flag(2**26, "pixels above which a picture is refused", group=_CARE, least=1)
    bad_image_budget: float = flag(
        1.0, "share of unusable pictures and captions that fails the conversion", group=_CARE, share=True
    )
    cluster_size: int | None = spark_flags.cluster_size(_CLUSTER)
    port_range: str | None = spark_flags.port_range(_CLUSTER)

    def __post_init__(self) -> None:
        """Refuse what can never work, before anything starts."""
        super().__post_init__()
        PortRange.parse(self.port_range)
        parse_formats(self.formats)
        given = [name for name in _SOURCES if getattr(self, name)]
        if len(given) != 1:
            got = " and ".join(f"--{name}" for name in given) or "none"
            raise UsageError(f"got {got}, wanted one of {', '.join(f'--{name}' for name in _SOURCES)}")
        if given != ["captions_file"] and not self.images_dir:
            raise UsageError(f"--images_dir is missing: wanted the folder of the pictures that --{given[0]} names")
        for name in ("path_column", "caption_column"):
            if self.captions_file and getattr(self, name) != type(self).__dataclass_fields__[name].default:
                raise UsageError(f"--{name} {getattr(self, name)} with --captions_file: it is of a table, wanted none")
        for name, wanted in (("vocabulary", "a file word_counts.txt"), ("vectors", "a file of vectors")):
            if getattr(self, name) == "":
                raise UsageError(f"--{name}: got nothing, wanted {wanted}")
        check_names(self)
        if self.vectors and self.record_per_caption:
            raise UsageError("--vectors with --record_per_caption: got both, but im2txt's form has none; wanted one")
        if self.vocabulary and self.min_word_count != 4:
            raise UsageError(
                f"--min_word_count {self.min_word_count} with --vocabulary: got both, but no word is counted then"
            )
