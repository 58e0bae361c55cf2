"""Pictures as a job's flags name them: read whole, or found fault with in a sentence that begins with the flag."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from sparkcv import storage
from sparkcv.driver.picture_folder import check_parent
from sparkcv.errors import FileExistsAlreadyError, ImageError, MissingFileError, UsageError
from sparkcv.preprocess.picture_file import PictureRules
from sparkcv.style import picture_pixels

__all__ = ["ENDINGS", "check_replaceable", "found", "named", "pixels_of", "writable", "write"]

ENDINGS = ", ".join(f".{ending}" for known in picture_pixels.FORMATS.values() for ending in known)
"""Of the names of pictures that are written, as a sentence has them."""

_QUALITY = 95


def found(given: str, name: str) -> str:
    """Return the full URL of a picture; MissingFileError where there is no file."""
    url = storage.resolve(given)
    if not storage.exists(url) or storage.is_dir(url):
        raise MissingFileError(f"--{name}: no file {url!r}, wanted a picture")
    return url


def named(given: str, name: str) -> str:
    """Return the full URL of a picture to write; nothing is said of what lies there.

    Raises:
        UsageError: its name says no format that is written.
        MissingFileError: its folder is not there.
    """
    url = storage.resolve(given)
    if picture_pixels.format_of(storage.basename(url)) is None:
        raise UsageError(f"--{name}: {url!r} does not say a format that is written; wanted one of {ENDINGS}")
    check_parent(url, name)
    return url


def check_replaceable(url: str, inputs: Iterable[str], *, overwrite: bool) -> None:
    """Check that ``--output`` can be written.

    Raises:
        UsageError: it is one of ``inputs``.
        FileExistsAlreadyError: it is there, and ``overwrite`` is not set.
    """
    if url in inputs:
        raise UsageError(f"--output: {url!r} is a picture that is read; wanted another name")
    if storage.exists(url) and not overwrite:
        raise FileExistsAlreadyError(f"--output: {url!r} is there already; --overwrite replaces it")
    storage.check_writable(storage.parent(url))


def writable(given: str, inputs: Iterable[str], *, overwrite: bool) -> str:
    """Return the full URL of ``--output``; raises what :func:`named` and :func:`check_replaceable` do."""
    url = named(given, "output")
    check_replaceable(url, inputs, overwrite=overwrite)
    return url


def pixels_of(url: str, name: str, max_pixels: int) -> NDArray[np.uint8]:
    """Return a picture's pixels, uint8 ``[height, width, 3]``; ImageError names the flag and the file."""
    try:
        return picture_pixels.read(storage.read_bytes(url), PictureRules(max_pixels))
    except ImageError as err:
        raise ImageError(f"--{name}: {url!r} is rejected, {err}") from err


def write(url: str, pixels: NDArray[np.uint8]) -> None:
    """Write a picture in the format that its name says."""
    file_format = picture_pixels.format_of(storage.basename(url))
    storage.write_bytes(url, picture_pixels.encode(pixels, str(file_format), _QUALITY))
