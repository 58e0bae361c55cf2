"""The headers of pictures that are neither JPEG nor PNG: how large, whether transparent, whether TensorFlow reads them.

What TensorFlow decodes to other colours than are meant (a palette BMP: indices for colours), or not at all, is told by
``is_native``. GIF89a; Windows bitmaps; WebP, RFC 9649; TIFF 6.0; JPEG 2000, ITU T.800; AVIF, ISO 23008-12.
"""

import struct
from collections.abc import Callable

from sparkcv.errors import ImageError
from sparkcv.records import orientation
from sparkcv.records.header import ImageHeader, check_size

__all__ = ["PROBES", "format_of"]

_MAX_PROPERTIES = 1000
_SIZ = b"\xff\x4f\xff\x51"  # JPEG 2000: start of codestream, image and tile size
_WIDTH, _HEIGHT, _BITS, _SAMPLES, _TILE_WIDTH, _TILE_HEIGHT, _EXTRA = 256, 257, 258, 277, 322, 323, 338
_KIND, _SUB_IFDS = 254, 330


def format_of(data: bytes) -> str | None:
    """Return which of these formats the first bytes are of, or None."""
    if data[:6] in (b"GIF87a", b"GIF89a"):
        return "gif"
    if data[:2] == b"BM":
        return "bmp"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    if data[:4] in (b"II*\0", b"MM\0*"):
        return "tiff"
    if data[:12] == b"\0\0\0\x0cjP  \r\n\x87\n" or data[:4] == _SIZ:
        return "jpeg2000"
    if data[4:8] == b"ftyp" and (data[8:12] in (b"avif", b"avis") or b"avif" in data[16 : _box_bytes(data)]):
        return "avif"
    return None


def _gif(data: bytes, max_pixels: int) -> ImageHeader:
    """Walk all blocks: TensorFlow decodes every frame of a GIF, though it gives the first one only.

    It takes the largest frame's size for the picture's, and black for what the first one leaves free.
    """
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    check_size(height, width, max_pixels)
    offset = 13 + _color_table(flags)
    frames, is_transparent, is_covered = 0, False, True
    while offset < len(data) and data[offset] != 0x3B:
        kind = data[offset]
        if kind == 0x21:
            if data[offset + 1] == 0xF9 and not frames:
                is_transparent = bool(data[offset + 3] & 1)
            offset = _sub_blocks(data, offset + 2)
        elif kind == 0x2C:
            left, top, wide, high, local = struct.unpack_from("<HHHHB", data, offset + 1)
            is_covered = is_covered and wide <= width and high <= height
            if not frames and (left, top, wide, high) != (0, 0, width, height):
                is_transparent, is_covered = True, False  # what the first frame leaves free
                check_size(max(height, top + high), max(width, left + wide), max_pixels)
            frames += 1
            try:
                offset = _sub_blocks(data, offset + 11 + _color_table(local))
            except IndexError:
                if frames > 1:
                    break
                raise
        elif frames:
            break
        else:
            raise ImageError(f"damaged: GIF block {kind:02x} at byte {offset}")
    if not frames:
        raise ImageError("truncated: GIF without a frame")
    is_native = is_covered and frames * width * height <= max_pixels
    return ImageHeader("gif", height, width, 3, 8, 1, is_transparent, is_native, frames > 1)


def _color_table(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _sub_blocks(data: bytes, offset: int) -> int:
    while data[offset]:
        offset += 1 + data[offset]
    return offset + 1


def _bmp(data: bytes, max_pixels: int) -> ImageHeader:
    (size,) = struct.unpack_from("<I", data, 14)
    if size == 12:  # OS/2
        width, height, _, bits = struct.unpack_from("<HHHH", data, 18)
        compression = 0
    elif size >= 40:
        width, height, _, bits, compression = struct.unpack_from("<iiHHI", data, 18)
    else:
        raise ImageError(f"damaged: BMP header of {size} bytes")
    if width < 0:
        raise ImageError(f"damaged: BMP of {width} columns")
    height = abs(height)
    check_size(height, width, max_pixels)
    channels = 4 if bits == 32 else 3
    is_native = size != 12 and bits == 24 and compression == 0
    # A decoder takes a missing row for black, without an error.
    if compression == 0 and len(data) < struct.unpack_from("<I", data, 10)[0] + (width * bits + 31) // 32 * 4 * height:
        raise ImageError("truncated: cut inside the BMP's rows")
    return ImageHeader("bmp", height, width, channels, 8, 1, bits in (16, 32), is_native)


def _webp(data: bytes, max_pixels: int) -> ImageHeader:
    end = 8 + struct.unpack_from("<I", data, 4)[0]
    if end > len(data):
        raise ImageError("truncated: cut inside the WebP")
    kind, body = data[12:16], data[20:30]
    is_animated = is_transparent = False
    turned = None
    if kind == b"VP8X":
        width, height = (1 + int.from_bytes(body[at : at + 3], "little") for at in (4, 7))
        is_animated, is_transparent = bool(body[0] & 2), bool(body[0] & 0x10)
        turned = _webp_orientation(data, end)
    elif kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", body, 1)
        width, height, is_transparent = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF), bool(bits >> 28 & 1)
    elif kind == b"VP8 ":
        width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", body, 6))
    else:
        raise ImageError(f"damaged: WebP chunk named {kind.hex()}")
    check_size(height, width, max_pixels)
    channels = 4 if is_transparent else 3
    is_native = not (is_animated or is_transparent)  # TensorFlow makes no three channels of four, as it does of a PNG
    return ImageHeader("webp", height, width, channels, 8, turned or 1, is_transparent, is_native, is_animated)


def _webp_orientation(data: bytes, end: int) -> int | None:
    found: dict[bytes, int | None] = {}
    offset = 12
    while offset + 8 <= end:
        kind, size = struct.unpack_from("<4sI", data, offset)
        body = data[offset + 8 : offset + 8 + size] if kind in (b"EXIF", b"XMP ") else b""
        if kind == b"EXIF":
            found[kind] = orientation.from_exif(body.removeprefix(b"Exif\0\0"))
        elif kind == b"XMP ":
            found[kind] = orientation.from_xmp(body)
        offset += 8 + size + size % 2
    return found.get(b"EXIF") or found.get(b"XMP ")


def _tiff(data: bytes, max_pixels: int) -> ImageHeader:
    order = "<" if data[:2] == b"II" else ">"
    (first,) = struct.unpack_from(f"{order}I", data, 4)
    (count,) = struct.unpack_from(f"{order}H", data, first)
    tags: dict[int, int] = {}
    for entry in range(first + 2, first + 2 + 12 * count, 12):
        tag, kind, number = struct.unpack_from(f"{order}HHI", data, entry)
        if kind in (3, 4) and number:
            width = "H" if kind == 3 else "I"
            inside = number * (2 if kind == 3 else 4) <= 4
            at = entry + 8 if inside else struct.unpack_from(f"{order}I", data, entry + 8)[0]
            (tags[tag],) = struct.unpack_from(f"{order}{width}", data, at)
    if _WIDTH not in tags or _HEIGHT not in tags:
        raise ImageError("damaged: TIFF without a width or a height")
    check_size(tags[_HEIGHT], tags[_WIDTH], max_pixels)
    if _TILE_WIDTH in tags and _TILE_HEIGHT in tags:  # a decoder makes room for a whole tile
        check_size(tags[_TILE_HEIGHT], tags[_TILE_WIDTH], max(max_pixels, 1 << 20))
    bits, samples = tags.get(_BITS, 1), tags.get(_SAMPLES, 1)
    if samples > 5:
        raise ImageError(f"unusable TIFF: {samples} channels, wanted at most 4 and a mask")
    turned = orientation.from_exif(data) or 1
    (following,) = struct.unpack_from(f"{order}I", data.ljust(first + 6 + 12 * count, b"\0"), first + 2 + 12 * count)
    if tags.get(_KIND, 0) & 1 and (following or _SUB_IFDS in tags):
        raise ImageError("unusable TIFF: its first picture is a thumbnail of another in it, as in raw files of cameras")
    return ImageHeader("tiff", tags[_HEIGHT], tags[_WIDTH], samples, bits, turned, _EXTRA in tags, False, following > 0)


def _jpeg2000(data: bytes, max_pixels: int) -> ImageHeader:
    at = data.find(_SIZ)
    if at < 0:
        raise ImageError("truncated: JPEG 2000 without a codestream")
    right, bottom, left, top, _, _, _, _, channels = struct.unpack_from(">8IH", data, at + 8)
    if right < left or bottom < top:
        raise ImageError("damaged: JPEG 2000 of negative size")
    check_size(bottom - top, right - left, max_pixels)
    if not 1 <= channels <= 4:
        raise ImageError(f"unusable JPEG 2000: {channels} channels, wanted 1 to 4")
    bits = (data[at + 42] & 0x7F) + 1
    return ImageHeader("jpeg2000", bottom - top, right - left, channels, bits, 1, channels in (2, 4), False)


def _avif(data: bytes, max_pixels: int) -> ImageHeader:
    """Take the largest of the sizes that the file's items have: thumbnails and tiles have their own."""
    sides = (0, 0)
    at = data.find(b"ispe")
    for _ in range(_MAX_PROPERTIES):
        if at < 0 or at + 16 > len(data):
            break
        width, height = struct.unpack_from(">II", data, at + 8)
        check_size(height, width, max_pixels)
        sides = max(sides, (height, width), key=lambda pair: pair[0] * pair[1])
        at = data.find(b"ispe", at + 4)
    if sides == (0, 0):
        raise ImageError("damaged: AVIF that tells no size")
    return ImageHeader("avif", *sides, 3, 8, 1, b"auxC" in data, False, data[8:12] == b"avis")


def _box_bytes(data: bytes) -> int:
    return min(int.from_bytes(data[:4], "big"), 256)


def _guarded(probe: Callable[[bytes, int], ImageHeader], name: str) -> Callable[[bytes, int], ImageHeader]:
    def guarded(data: bytes, max_pixels: int) -> ImageHeader:
        try:
            return probe(data, max_pixels)
        except (struct.error, IndexError) as err:
            raise ImageError(f"truncated: cut inside the header of a {name}") from err

    return guarded


PROBES: dict[str, Callable[[bytes, int], ImageHeader]] = {
    "gif": _guarded(_gif, "GIF"),
    "bmp": _guarded(_bmp, "BMP"),
    "webp": _guarded(_webp, "WebP"),
    "tiff": _guarded(_tiff, "TIFF"),
    "jpeg2000": _guarded(_jpeg2000, "JPEG 2000"),
    "avif": _guarded(_avif, "AVIF"),
}
"""By format: a function of a file's bytes and ``max_pixels``, as :func:`sparkcv.records.image_header.probe`."""
