"""Is this file a usable picture, and how large: read from its structure, without decoding a pixel.

TensorFlow decodes a 48 kB PNG of 20000x20000 into 1.07 GB, so the size is checked before any decoder sees the
bytes. Only formats of a list are let through, told by their magic bytes and never by their name. Formats: JPEG, ITU
T.81 annex B; PNG, https://www.w3.org/TR/png-3/; the others are in other_headers.py.

Each reason has a fixed head, so that reports can count it, and details behind a colon.
"""

import dataclasses
import re
import struct
import zlib
from collections.abc import Sequence

from sparkcv.config.pictures import FORMATS
from sparkcv.errors import ImageError
from sparkcv.records import orientation, other_headers
from sparkcv.records.header import MAX_SIDE, ImageHeader, check_size

__all__ = ["FORMATS", "ImageHeader", "MAX_SIDE", "NATIVE_FORMATS", "NOT_NATIVE", "name_format", "probe"]

NATIVE_FORMATS = ("jpeg", "png", "gif", "bmp", "webp")
"""Formats that TensorFlow decodes, so that shards may hold them."""

NOT_NATIVE = "not decodable in a shard: a {} of a kind that TensorFlow misreads; convert its file instead"
"""The reason for a picture whose header is not ``is_native`` where TensorFlow alone would decode it."""

_NAMES = {"jpeg": "JPEG", "png": "PNG", "gif": "GIF", "bmp": "BMP", "webp": "WebP", "tiff": "TIFF", "avif": "AVIF"}
_MOST_TEXT_BYTES = 1 << 20

_PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
_PNG_IHDR = struct.Struct(">IIBBBBB")
_PNG_BITS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_PNG_CHANNELS = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}

_JPEG_FRAMES = frozenset({0xC0, 0xC1, 0xC2, 0xC9, 0xCA})  # baseline, extended and progressive; Huffman, arithmetic
_JPEG_OTHER_FRAMES = frozenset({0xC3, 0xC5, 0xC6, 0xC7, 0xCB, 0xCD, 0xCE, 0xCF})  # lossless, hierarchical
_EOI, _SOS = 0xD9, 0xDA
_APP1, _EXIF, _XMP = 0xE1, b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"
_TEM = 0x01  # the one marker without a length that is left
# In a scan 0xFF is data when 00 or a restart marker follows, and a fill byte before another 0xFF. Stray bytes between
# two segments are passed over, as libjpeg does.
_MARKER = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])")

_OTHER_MAGIC = (
    (b"GIF8", "GIF"),
    (b"BM", "BMP"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"%PDF", "PDF"),
    (b"%!PS", "EPS"),
    (b"\xc5\xd0\xd3\xc6", "EPS"),
    (b"8BPS", "PSD"),
    (b"SIMPLE  =", "FITS"),
    (b"\0\0\1\0", "ICO"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\0\0\0\x0cJXL ", "JPEG XL"),
    (b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"\xff\xfe", "GD2 or UTF-16 text"),
    (b"gd2\0", "GD2"),
    (b"PK\3\4", "ZIP"),
    (b"\x1f\x8b", "gzip"),
    (b"<svg", "SVG"),
)


def probe(data: bytes, *, max_pixels: int = 2**26, formats: Sequence[str] = ("jpeg", "png")) -> ImageHeader:
    """Check a picture's bytes from its magic to its end marker; bytes behind that are tolerated.

    ``formats`` are those let through, of :data:`FORMATS`.

    Raises:
        ImageError: with a short reason, such as ``truncated: no end-of-image marker``, ``not JPEG or PNG: GIF``,
            ``empty: 0 bytes`` or ``too large: 20000x20000 pixels, at most 67108864 in all``.
    """
    if not data:
        raise ImageError("empty: 0 bytes")
    if data.startswith(b"\xff\xd8"):
        found = "jpeg"
    elif data.startswith(_PNG_MAGIC):
        found = "png"
    else:
        found = other_headers.format_of(data) or ""
    if found not in formats:
        raise ImageError(f"{_unwanted(formats)}: {name_format(data)}")
    if found == "jpeg":
        return _probe_jpeg(data, max_pixels)
    if found == "png":
        return _probe_png(data, max_pixels)
    return other_headers.PROBES[found](data, max_pixels)


def _unwanted(formats: Sequence[str]) -> str:
    if set(formats) == set(FORMATS):
        return "format not read"
    names = [_NAMES.get(name, "JPEG 2000") for name in formats]
    return "not " + " or ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)


def name_format(data: bytes) -> str:
    """Return what a file is by its first bytes, in words for a sentence that refuses it."""
    found = "jpeg" if data.startswith(b"\xff\xd8") else "png" if data.startswith(_PNG_MAGIC) else None
    found = found or other_headers.format_of(data)
    if found in _NAMES:
        return _NAMES[found]
    for magic, name in _OTHER_MAGIC:
        if data.startswith(magic):
            return name
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WebP"
    if data[4:8] == b"ftyp":
        return f"ISO media ({data[8:12].decode('ascii', 'replace')!r}, such as HEIC or AVIF)"
    head = data[:512].lstrip(b"\xef\xbb\xbf \t\r\n")
    if b"<svg" in head:
        return "SVG"
    if head.startswith(b"<"):
        return "XML or HTML"
    if not any(data[:64].strip(b"\0")):
        return "zero bytes"
    if all(32 <= byte < 127 or byte in b"\t\r\n\f" for byte in data[:64]):
        return "text"
    return f"unknown, starts with {data[:4].hex()}"


def _probe_jpeg(data: bytes, max_pixels: int) -> ImageHeader:
    header: ImageHeader | None = None
    exif: int | None = None
    xmp: int | None = None
    scans, offset = 0, 2
    while True:
        marker, offset = _next_marker(data, offset)
        if marker == _EOI:
            break
        if marker == _TEM:
            continue
        if len(data) < offset + 2:
            raise ImageError("truncated: cut inside a JPEG segment")
        length = int.from_bytes(data[offset : offset + 2], "big")
        if length < 2:
            raise ImageError(f"damaged: JPEG segment ff{marker:02x} of length {length}")
        if offset + length > len(data):
            raise ImageError("truncated: cut inside a JPEG segment")
        if marker in _JPEG_OTHER_FRAMES:
            raise ImageError(f"unusable JPEG: lossless or hierarchical (frame ff{marker:02x})")
        if marker in _JPEG_FRAMES:
            if header is not None:
                raise ImageError("damaged: JPEG with two frame headers")
            header = _jpeg_frame(data[offset + 2 : offset + length], max_pixels)
        if marker == _APP1 and not scans:
            body = data[offset + 2 : offset + length]
            if body.startswith(_EXIF):
                exif = exif or orientation.from_exif(body[len(_EXIF) :])
            elif body.startswith(_XMP):
                xmp = xmp or orientation.from_xmp(body)
        offset += length
        if marker == _SOS:
            if header is None:
                raise ImageError("damaged: JPEG scan before its frame header")
            scans += 1
    if header is None or not scans:
        raise ImageError("damaged: JPEG without a picture")
    return dataclasses.replace(header, orientation=exif or xmp or 1)


def _next_marker(data: bytes, offset: int) -> tuple[int, int]:
    """Return the next marker and the offset behind it."""
    found = _MARKER.search(data, offset)
    if found is None:
        raise ImageError("truncated: no end-of-image marker")
    return found.group(1)[0], found.end()


def _jpeg_frame(segment: bytes, max_pixels: int) -> ImageHeader:
    if len(segment) < 6 or len(segment) < 6 + 3 * segment[5]:
        raise ImageError("damaged: JPEG frame header too short")
    bits, height, width, channels = struct.unpack_from(">BHHB", segment)
    if bits != 8:
        raise ImageError(f"unusable JPEG: {bits} bits a channel, wanted 8")
    if channels not in (1, 3, 4):
        raise ImageError(f"unusable JPEG: {channels} channels, wanted 1, 3 or 4")
    check_size(height, width, max_pixels)
    return ImageHeader("jpeg", height, width, channels, bits)


def _probe_png(data: bytes, max_pixels: int) -> ImageHeader:
    header: ImageHeader | None = None
    exif: int | None = None
    other: int | None = None
    has_pixels = is_transparent = has_more_frames = False
    offset, view = len(_PNG_MAGIC), memoryview(data)
    while True:
        if len(data) < offset + 12:
            raise ImageError("truncated: no PNG end chunk")
        length = int.from_bytes(view[offset : offset + 4], "big")
        kind, end = bytes(view[offset + 4 : offset + 8]), offset + 12 + length
        if not kind.isalpha():
            raise ImageError(f"damaged: PNG chunk named {kind.hex()} at byte {offset}")
        if header is None and (kind != b"IHDR" or length != _PNG_IHDR.size):
            raise ImageError("damaged: PNG without a header chunk")
        if end > len(data):
            raise ImageError(f"truncated: cut inside the PNG chunk {kind.decode()}")
        if zlib.crc32(view[offset + 4 : end - 4]) != int.from_bytes(view[end - 4 : end], "big"):
            raise ImageError(f"damaged: wrong CRC of the PNG chunk {kind.decode()}")
        if header is None:
            header = _png_header(data[offset + 8 : end - 4], max_pixels)
        has_pixels = has_pixels or kind == b"IDAT"
        is_transparent = is_transparent or kind == b"tRNS"
        if kind == b"acTL" and length == 8:
            has_more_frames = int.from_bytes(view[offset + 8 : offset + 12], "big") > 1
        if kind == b"eXIf":
            exif = exif or orientation.from_exif(data[offset + 8 : end - 4].removeprefix(_EXIF))
        elif kind in (b"iTXt", b"tEXt", b"zTXt"):
            other = other or _png_text_orientation(kind, data[offset + 8 : end - 4])
        offset = end
        if kind == b"IEND":
            break
    if not has_pixels:
        raise ImageError("damaged: PNG without a picture")
    is_transparent = is_transparent or header.channels in (2, 4)
    return dataclasses.replace(
        header, orientation=exif or other or 1, is_transparent=is_transparent, has_more_frames=has_more_frames
    )


def _png_text_orientation(kind: bytes, chunk: bytes) -> int | None:
    """Return what XMP or ImageMagick's EXIF in a text chunk tells; a text of more than 1 MB tells nothing."""
    keyword, _, rest = chunk.partition(b"\0")
    if keyword == b"XML:com.adobe.xmp" and kind == b"iTXt":
        is_compressed, rest = rest[:1] == b"\1", rest[2:].split(b"\0", 2)[-1]
        return orientation.from_xmp(_inflated(rest) if is_compressed else rest)
    if keyword == b"Raw profile type exif" and kind in (b"tEXt", b"zTXt"):
        return orientation.from_raw_profile(_inflated(rest[1:]) if kind == b"zTXt" else rest)
    return None


def _inflated(data: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(data, _MOST_TEXT_BYTES)
    except zlib.error:
        return b""


def _png_header(chunk: bytes, max_pixels: int) -> ImageHeader:
    width, height, bits, color, compression, filtering, interlace = _PNG_IHDR.unpack(chunk)
    check_size(height, width, max_pixels)
    if bits not in _PNG_BITS.get(color, ()) or compression or filtering or interlace > 1:
        raise ImageError(f"damaged: PNG of colour type {color} with {bits} bits")
    return ImageHeader("png", height, width, _PNG_CHANNELS[color], bits)
