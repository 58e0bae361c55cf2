"""What a picture's header says, and the limits that hold for every format before a decoder sees its bytes."""

from dataclasses import dataclass

from sparkcv.errors import ImageError

__all__ = ["ImageHeader", "MAX_SIDE", "check_size"]

MAX_SIDE = 65535  # JPEG's own limit, held for every format


@dataclass(frozen=True)
class ImageHeader:
    """What a picture's header says: sides in pixels, ``bits`` a channel.

    Attributes:
        format: one of :data:`sparkcv.records.image_header.FORMATS`.
        height: rows as stored, before any turning.
        width: columns as stored.
        channels: as stored (CMYK is 4, a palette counts as 3).
        bits: of one channel.
        orientation: 1 to 8, as EXIF counts: how the stored pixels are turned and mirrored to stand upright.
        is_transparent: some pixels may be transparent, in whole or in part.
        is_native: TensorFlow decodes the stored bytes to the colours meant, but for transparency.
        has_more_frames: the file holds more than this picture: an animation, or pages.
    """

    format: str
    height: int
    width: int
    channels: int
    bits: int
    orientation: int = 1
    is_transparent: bool = False
    is_native: bool = True
    has_more_frames: bool = False


def check_size(height: int, width: int, max_pixels: int) -> None:
    """Raise ImageError for sides that no decoder is to see."""
    if height == 0 or width == 0:
        raise ImageError(f"zero side: {width}x{height} pixels")
    if height > MAX_SIDE or width > MAX_SIDE:
        raise ImageError(f"too large: {width}x{height} pixels, at most {MAX_SIDE} a side")
    if height * width > max_pixels:
        raise ImageError(f"too large: {width}x{height} pixels, at most {max_pixels} in all")
