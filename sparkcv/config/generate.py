"""The flags of making pictures from captions."""

import dataclasses

from sparkcv.config.flags import MOST_SEED, Flags, flag
from sparkcv.errors import UsageError

_IN, _OUT = "input", "output"


@dataclasses.dataclass(frozen=True)
class GenerateConfig(Flags):
    """Make pictures from captions by trained nets: a PNG each, and one grid."""

    checkpoint_path: str = flag(
        None, "folder of a training of pictures from captions, or the prefix of one of its checkpoints", group=_IN,
        required=True,
    )  # fmt: skip
    caption: str | None = flag(None, "a caption", group=_IN)
    captions_file: str | None = flag(None, "a file of captions, one a line; any storage URL", group=_IN)
    to_caption: str | None = flag(
        None,
        "a second caption: --num_pictures pictures lead from --caption to it, of equal random numbers",
        group=_IN,
    )
    vectors: str | None = flag(
        None, "captions' vectors, for nets that were trained on vectors: .npz, .parquet, .hdf5; any storage URL",
        group=_IN,
    )  # fmt: skip
    output_dir: str = flag(
        None, "new folder for the PNGs, grid.png and pictures.json; any storage URL", group=_OUT, required=True
    )
    num_pictures: int = flag(8, "pictures of each caption", group=_OUT, least=1, most=1000)
    columns: int | None = flag(
        None, "pictures in a line of grid.png; not set: those of one caption", group=_OUT, least=1, most=1000
    )
    seed: int = flag(
        0, "seed of the random numbers: the same gives the same pictures", group=_OUT, least=0, most=MOST_SEED
    )
    max_words: int = flag(100, "words of a caption at most", group=_IN, least=1, most=1000)

    def __post_init__(self) -> None:
        """Refuse what can never work, before anything starts."""
        super().__post_init__()
        if (self.caption is None) == (self.captions_file is None):
            got = "neither" if self.caption is None else "both"
            raise UsageError(f"--caption and --captions_file: got {got}, wanted one of them")
        if self.to_caption is not None and self.caption is None:
            raise UsageError("--to_caption without --caption: got no caption to begin with, wanted both")
        if self.to_caption is not None and self.num_pictures < 2:
            raise UsageError(f"--num_pictures {self.num_pictures} with --to_caption: wanted 2 at least, one of each")
