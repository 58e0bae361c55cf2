"""A picture's file to the pixels that a person sees, and pixels to a file: what style transfer reads and writes."""

import io
import warnings

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sparkcv.errors import ImageError
from sparkcv.preprocess import numpy_eval, picture_file
from sparkcv.preprocess.picture_file import PictureRules

__all__ = ["FORMATS", "check_sides", "encode", "format_of", "output_name", "read"]

FORMATS = {"jpeg": ("jpg", "jpeg", "jpe", "jfif"), "png": ("png",), "webp": ("webp",)}
"""The formats that are written, and the endings of their names."""

_MOST_SIDE = {"jpeg": 65_500, "webp": 16_383}  # what libjpeg and libwebp write
_OTHER = "png"  # of a picture whose own format is not written: nothing is lost


def read(data: bytes, rules: PictureRules, least_side: int = 1) -> NDArray[np.uint8]:
    """Return the upright picture, uint8 ``[height, width, 3]``.

    Raises ImageError for what is no picture, too large, or has a side below ``least_side``; the reason has a fixed
    head, as :func:`sparkcv.records.image_header.probe` has it.
    """
    seen = picture_file.read(data, rules)
    if min(seen.height, seen.width) < least_side:
        raise ImageError(f"too small: {seen.width}x{seen.height} pixels, wanted sides of at least {least_side}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd metadata, and of sizes that were looked at before
            with Image.open(io.BytesIO(picture_file.bare(seen.encoded)), formats=(seen.format,)) as opened:
                opened.load()
                pixels = np.asarray(_eight_bits(opened).convert("RGB"))
    except MemoryError:
        raise
    except Exception as err:  # Pillow's decoders raise whatever broke in them
        words = " ".join(str(err).split())[:120]
        raise ImageError(f"not decodable: {words or type(err).__name__}") from err
    return np.ascontiguousarray(numpy_eval.turn(pixels, seen.orientation))


def check_sides(height: int, width: int, file_format: str) -> None:
    """Raise ImageError for a picture that a format cannot hold."""
    most = _MOST_SIDE.get(file_format, max(height, width))
    if max(height, width) > most:
        raise ImageError(f"too large: {width}x{height} pixels, {file_format} has sides of at most {most}; png has more")


def encode(pixels: NDArray[np.uint8], file_format: str, quality: int) -> bytes:
    """Return the file of uint8 ``[height, width, 3]``; ``quality``, 1 to 100, counts for JPEG and WebP.

    Raises what :func:`check_sides` does.
    """
    height, width = pixels.shape[:2]
    check_sides(height, width, file_format)
    buffer = io.BytesIO()
    options = {} if file_format == "png" else {"quality": quality}
    if file_format == "jpeg" and quality >= 90:
        options["subsampling"] = 0
    Image.fromarray(pixels).save(buffer, file_format.upper(), **options)
    return buffer.getvalue()


def format_of(name: str) -> str | None:
    """Return the format that a file's name ends in; None for one that is not written."""
    ending = name.rpartition(".")[2].lower() if "." in name else ""
    return next((known for known, endings in FORMATS.items() if ending in endings), None)


def output_name(name: str, file_format: str | None) -> tuple[str, str]:
    """Return what the stylized picture of ``name`` is called, and its format: ``file_format``, or else its own.

    The name stays if it ends as the format's do; else an ending is added to it, and none is taken away.
    """
    own = format_of(name)
    wanted = file_format or own or _OTHER
    return (name if own == wanted else f"{name}.{FORMATS[wanted][0]}"), wanted


def _eight_bits(picture: Image.Image) -> Image.Image:
    """Return grey of 16 bits as its upper 8, as TensorFlow reads it."""
    if picture.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(picture).astype(np.uint16) >> 8).astype(np.uint8))
    return picture
