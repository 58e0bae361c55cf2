"""A picture's file as what a person sees of it: bytes that TensorFlow decodes to those pixels, in every job alike.

JPEG, PNG and WebP stay as they are, with the orientation beside them. What is transparent is put on a background, and
the formats that TensorFlow does not decode, or decodes to other colours, become a PNG of the same pixels: Pillow does
that, of one format at a time, after our own look at the header. Only the first frame counts. Where a size is asked for,
larger pictures become a JPEG of that size, upright.
"""

import dataclasses
import io
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image, ImageChops, UnidentifiedImageError

from sparkcv.errors import ImageError
from sparkcv.preprocess.jpeg_damage import jpeg_warning
from sparkcv.records import image_header
from sparkcv.records.image_header import FORMATS, ImageHeader

__all__ = ["PictureRules", "SeenPicture", "TURNS", "bare", "is_damaged", "read", "read_turned"]

_KEPT = ("jpeg", "png", "webp")
_PLUGINS = {"jpeg2000": "JPEG2000"}
_WIDE = ("I", "F")
_SPARED = 2  # a JPEG that becomes smaller is decoded to at least so many times its new size
_PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
_PIXEL_CHUNKS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
_ORIENTATION, _PHOTOMETRIC = 0x0112, 262
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What turns a stored picture upright, by its orientation.

Pillow's own would read all of its EXIF, and refuse a picture whose EXIF is damaged.
"""

_BACK = {6: 8, 8: 6}  # the others undo themselves


@dataclasses.dataclass(frozen=True)
class PictureRules:
    """How files of pictures are read.

    Attributes:
        max_pixels: a picture with more is not decoded.
        formats: those that are read, of :data:`sparkcv.records.image_header.FORMATS`.
        background: red, green, blue, 0 to 255 each: what transparent pixels stand on.
        use_orientation: whether EXIF's and XMP's orientation counts.
        compress_level: of the PNGs that are written, 0 (fast) to 9 (small).
        short_side: pixels of the shorter side of larger pictures, which become JPEG; None: all keep their size.
        jpeg_quality: of those.
        damaged: what becomes of a JPEG that decodes, but lost pixels: ``ignore`` does not look for it, ``mark`` says
            so of the picture, ``reject`` refuses it.
    """

    max_pixels: int = 2**26
    formats: tuple[str, ...] = FORMATS
    background: tuple[int, int, int] = (255, 255, 255)
    use_orientation: bool = True
    compress_level: int = 6
    short_side: int | None = None
    jpeg_quality: int = 90
    damaged: str = "ignore"

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "PictureRules":
        """Return what ``dataclasses.asdict`` gave, out of JSON, which has lists for tuples."""
        fields: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in values.items()
        }
        return cls(**fields)

    def describe(self) -> dict[str, str]:
        """Say for a manifest what became of the pictures."""
        resized = f"short side {self.short_side}, JPEG quality {self.jpeg_quality}" if self.short_side else None
        return {
            **({"resized": resized} if resized else {}),
            "formats": ",".join(self.formats),
            "background": bytes(self.background).hex(),
            "orientation": "image/orientation" if self.use_orientation else "ignored",
        }


@dataclasses.dataclass(frozen=True)
class SeenPicture:
    """A picture that TensorFlow decodes to what a person sees, once its pixels are turned.

    ``format`` is ``jpeg``, ``png`` or ``webp``; ``height`` and ``width`` are those of ``encoded``, before turning;
    ``orientation`` is 1 to 8 as EXIF counts. ``is_damaged`` is None where that was not looked for, or cannot be known;
    ``has_more_frames`` says that the file held others behind it.
    """

    encoded: bytes
    format: str
    height: int
    width: int
    orientation: int
    is_damaged: bool | None = None
    has_more_frames: bool = False


def is_damaged(data: bytes, header: ImageHeader, rules: PictureRules) -> bool | None:
    """Tell whether a picture with a good header lost pixels inside; None where that is not looked for, or not known.

    A PNG's chunks have checksums, which the look at its header compared. Raises ImageError if ``rules`` refuse one.
    """
    if rules.damaged == "ignore" or header.format not in ("jpeg", "png"):
        return None
    warning = jpeg_warning(data, header.channels) if header.format == "jpeg" else None
    if warning is not None and rules.damaged == "reject":
        raise ImageError(f"damaged: pixels are lost, libjpeg says: {warning}")
    return warning is not None


def read(data: bytes, rules: PictureRules) -> SeenPicture:
    """Read a file's bytes.

    Raises:
        ImageError: a reason with a fixed head, as :func:`sparkcv.records.image_header.probe`.
    """
    header = image_header.probe(data, max_pixels=rules.max_pixels, formats=rules.formats)
    seen = _seen(data, header, rules)
    return dataclasses.replace(seen, is_damaged=is_damaged(data, header, rules), has_more_frames=header.has_more_frames)


def read_turned(data: bytes, rules: PictureRules, orientation: int) -> SeenPicture:
    """Read the bytes of a record that says itself how its picture is turned, as training decodes it.

    EXIF of its own, which a conversion may leave out, is not read: what is transparent would be turned twice. Raises
    as :func:`read`.
    """
    as_stored = dataclasses.replace(rules, use_orientation=False)
    return dataclasses.replace(read(data, as_stored), orientation=orientation)


def _seen(data: bytes, header: ImageHeader, rules: PictureRules) -> SeenPicture:
    is_kept = header.format in _KEPT and header.is_native
    is_large = rules.short_side is not None and min(header.height, header.width) > rules.short_side
    if is_kept and not header.is_transparent and not is_large:
        return _as_it_is(data, header, rules)
    try:
        pixels = _decode(data, header, rules, only_if_transparent=is_kept and not is_large)
        if pixels is None:
            return _as_it_is(data, header, rules)
        buffer = io.BytesIO()
        if is_large:
            pixels = _smaller(pixels, rules)
            pixels.save(buffer, "JPEG", quality=rules.jpeg_quality)
            return SeenPicture(buffer.getvalue(), "jpeg", pixels.height, pixels.width, 1)
        pixels.save(buffer, "PNG", compress_level=rules.compress_level)
    except (ImageError, MemoryError):
        raise
    except UnidentifiedImageError as err:
        raise ImageError(f"damaged: no {header.format} that Pillow knows") from err
    except Exception as err:  # Pillow's decoders raise whatever broke in them
        words = " ".join(str(err).split())[:120]
        raise ImageError(f"damaged: Pillow cannot decode the {header.format}: {words or type(err).__name__}") from err
    return SeenPicture(buffer.getvalue(), "png", pixels.height, pixels.width, 1)


def _smaller(picture: Any, rules: PictureRules) -> Any:
    """Return the picture with the shorter side of that length; a filter as wide as the pixels that become one."""
    scale = (rules.short_side or 0) / min(picture.size)
    size = tuple(max(rules.short_side or 0, round(side * scale)) for side in picture.size)
    return picture.resize(size, Image.Resampling.BICUBIC)


def _as_it_is(data: bytes, header: ImageHeader, rules: PictureRules) -> SeenPicture:
    turned = header.orientation if rules.use_orientation else 1
    return SeenPicture(data, header.format, header.height, header.width, turned)


def _decode(data: bytes, header: ImageHeader, rules: PictureRules, *, only_if_transparent: bool) -> Any:
    """Return the upright picture on its background, mode RGB; None if ``only_if_transparent`` and no pixel is."""
    plugin = _PLUGINS.get(header.format, header.format.upper())
    if Image.MAX_IMAGE_PIXELS is not None and rules.max_pixels > Image.MAX_IMAGE_PIXELS:
        Image.MAX_IMAGE_PIXELS = rules.max_pixels  # else Pillow's limit would hold, whatever ours is
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of odd metadata
        with Image.open(io.BytesIO(bare(data)), formats=(plugin,)) as opened:
            if (side := opened.width * opened.height) > rules.max_pixels:
                raise ImageError(f"too large: {side} pixels, at most {rules.max_pixels} in all")
            if rules.short_side and header.format == "jpeg":  # the inverse transform of a part of the coefficients
                scale = _SPARED * rules.short_side / min(opened.size)
                opened.draft(opened.mode, (int(opened.width * scale), int(opened.height * scale)))
            covered = opened.tile[0].extents if header.format == "gif" else None
            opened.load()
            picture: Image.Image = _eight_bits(opened, header)
            picture = _cleared(picture, covered)
            if picture.has_transparency_data:
                picture = picture.convert("RGBA")
                if only_if_transparent and picture.getchannel("A").getextrema() == (255, 255):
                    return None
                ground = Image.new("RGBA", picture.size, (*rules.background, 255))
                picture = Image.alpha_composite(ground, picture)
            elif only_if_transparent:
                return None
            picture = picture.convert("RGB")
            stored = opened.getexif().get(_ORIENTATION, 1) if header.format == "avif" else header.orientation
    is_turned = header.format == "tiff"  # once it is loaded
    if rules.use_orientation != is_turned:
        turn = TURNS.get(_BACK.get(stored, stored) if is_turned else stored)
        picture = picture if turn is None else picture.transpose(turn)
    picture.info.clear()
    return picture


def _cleared(picture: Image.Image, covered: tuple[int, int, int, int] | None) -> Image.Image:
    """Return a GIF whose first frame covers a part of it transparent elsewhere; Pillow gives that the first colour."""
    if covered in (None, (0, 0, *picture.size)):
        return picture
    picture = picture.convert("RGBA")
    frame = Image.new("L", picture.size, 0)
    frame.paste(255, covered)
    picture.putalpha(ImageChops.darker(picture.getchannel("A"), frame))
    return picture


def bare(data: bytes) -> bytes:
    """Return a PNG as the pixels alone that TensorFlow takes it for, for Pillow; other files as they are.

    Pillow would refuse one whose text or colour profile expands to more than a megabyte, and an APNG whose later frames
    are damaged.
    """
    if not data.startswith(_PNG_MAGIC):
        return data
    kept, offset = [data[:8]], 8
    while offset < len(data):
        end = offset + 12 + int.from_bytes(data[offset : offset + 4], "big")
        if data[offset + 4 : offset + 8] in _PIXEL_CHUNKS:
            kept.append(data[offset:end])
        offset = end
    return b"".join(kept)


def _eight_bits(picture: Image.Image, header: ImageHeader) -> Image.Image:
    """Return grey of 16 bits as its upper 8, as TensorFlow reads it; a value that stands for transparent stays one."""
    if picture.mode in _WIDE:
        raise ImageError(f"unusable {header.format}: {header.bits} bits a channel, wanted 8, or 16 without a sign")
    clear = picture.info.get("transparency")
    if not picture.mode.startswith("I;16"):
        if header.bits == 16 and isinstance(clear, tuple):
            picture.info["transparency"] = tuple(value >> 8 for value in clear)
        elif header.format == "png" and picture.mode == "L" and header.bits < 8 and clear is not None:
            most = (1 << header.bits) - 1
            picture.info["transparency"] = (clear & most) * (255 // most)  # Pillow scales the pixels alone
        return picture
    values = np.asarray(picture).astype(np.uint16)
    if header.format == "tiff":
        values <<= 16 - header.bits  # Pillow leaves 12 bits as they are
        if picture.tag_v2.get(_PHOTOMETRIC) == 0:  # type: ignore[attr-defined]
            values = ~values  # white is zero, which Pillow minds in 8 bits only
    grey = (values >> 8).astype(np.uint8)
    if clear is None:
        return Image.fromarray(grey)
    alpha = np.where(values == clear, 0, 255).astype(np.uint8)
    return Image.merge("LA", [Image.fromarray(grey), Image.fromarray(alpha)])
