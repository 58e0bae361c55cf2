"""Handwriting as a source of pictures: GNT files, whose samples name their own class. Runs in Spark tasks, streaming.

A sample's name is its file's, relative to the folder, ``@`` and the offset of its header. A file is read once to list
its samples, and each sample once more to write it: pixels do not go through Spark.
"""

import io
from collections.abc import Iterator

from PIL import Image

from sparkcv import storage
from sparkcv.convert.sources import Picture, locate, make_picture
from sparkcv.errors import DataError, ImageError, RecordError
from sparkcv.preprocess.picture_file import PictureRules, SeenPicture
from sparkcv.records import gnt
from sparkcv.storage.clutter import is_clutter

__all__ = ["FORMAT", "list_files", "list_samples", "read_sample", "split_name"]

FORMAT = "gnt"
"""What the manifest calls it."""


def list_files(gnt_dir: str) -> list[str]:
    """Return the files of a folder at any depth, sorted, but for hidden ones and what systems leave there.

    Raises:
        MissingFileError: it is not there.
        DataError: it holds none.
    """
    names = (storage.relative(entry.url, gnt_dir) for entry in storage.walk(gnt_dir))
    found = sorted(name for name in names if not any(is_clutter(part) for part in name.split("/")))
    if not found:
        raise DataError(f"{gnt_dir!r} holds nothing, wanted GNT files")
    return found


def list_samples(gnt_dir: str, name: str, max_pixels: int, seed: int) -> Iterator[Picture]:
    """Yield the samples of one file, and its damaged stretches as pictures with a fault."""
    with storage.open_read(locate(name, gnt_dir)) as stream:
        for item in gnt.read(stream, max_pixels):
            sample = f"{name}@{item.offset}"
            if isinstance(item, gnt.Sample):
                yield make_picture(sample, item.character, seed, size=item.num_bytes)
            else:
                lost = f"{item.reason}; {item.lost_bytes} bytes lost"
                yield make_picture(sample, None, seed, size=item.lost_bytes, fault=lost)


def read_sample(gnt_dir: str, name: str, num_bytes: int, rules: PictureRules) -> SeenPicture:
    """Return the sample of this name, which was listed with so many bytes, as a grey PNG of the same pixels.

    Raises:
        ImageError: what lies there is no longer that sample.
        StorageError: the file cannot be read.
    """
    file, offset = split_name(name)
    data = storage.read_bytes(locate(file, gnt_dir), offset, offset + num_bytes)
    try:
        pixels = gnt.decode(data, rules.max_pixels).pixels
    except RecordError as err:
        raise ImageError(f"changed since it was listed: {err}") from err
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=rules.compress_level)
    height, width = pixels.shape
    return SeenPicture(buffer.getvalue(), "png", height, width, 1)


def split_name(name: str) -> tuple[str, int]:
    """Return the file of a sample's name, and the offset in it."""
    file, _, offset = name.rpartition("@")
    return file, int(offset)
