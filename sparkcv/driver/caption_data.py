"""What the manifest of a dataset of captions tells of it, which trainings on captions ask for."""

import dataclasses

from sparkcv import storage
from sparkcv.errors import DataError, UsageError
from sparkcv.records.manifest import read_manifest

__all__ = ["CaptionData", "read_caption_data"]

_MOST_IDS = 10_000


@dataclasses.dataclass(frozen=True)
class CaptionData:
    """Of a split: ids of its longest caption, captions of a picture at most, and how many different ones there are.

    ``vector`` is the length of the captions' vectors; all but the first are 0 where they are not known, or not there.
    ``words`` are the vocabulary, by their ids.
    """

    longest: int
    most_captions: int = 0
    num_different: int = 0
    vector: int = 0
    words: tuple[str, ...] = ()


def read_caption_data(dataset_dir: str | None, split_name: str) -> CaptionData:
    """Read the manifest.

    Raises UsageError without a folder, and DataError for a dataset without captions, or without this split.
    """
    if not dataset_dir:
        raise UsageError("--dataset_dir is missing")
    url = storage.resolve(dataset_dir)
    storage.list_dir(url)
    manifest = read_manifest(url)
    split = manifest.splits.get(split_name) if manifest is not None else None
    if manifest is not None and split is None:
        raise DataError(f"{url!r} has no split {split_name!r}, it has {', '.join(sorted(manifest.splits))}")
    told = split.pictures if split is not None else {}
    names = ("longest_caption", "most_captions", "different_captions", "caption_vector")
    longest, most, different, vector = (int(text) if (text := told.get(name, "")).isdecimal() else 0 for name in names)
    if not 2 < longest < _MOST_IDS:
        raise DataError(f"{url!r} is no dataset of captions: wanted one that `sparkcv convertcaptions` wrote")
    return CaptionData(longest, most, different, vector, tuple(manifest.labels) if manifest is not None else ())
