"""Picture headers: what can be used, and why the rest can not, without decoding a pixel."""

import io
import random
import zlib

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from sparkcv import synthetic
from sparkcv.errors import ImageError
from sparkcv.records.image_header import FORMATS, ImageHeader, probe


def chunk(kind: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")


def without(data: bytes, kind: bytes) -> bytes:
    """A PNG with the first chunk of this kind cut out."""
    at = data.index(kind) - 4
    return data[:at] + data[at + 12 + int.from_bytes(data[at : at + 4], "big") :]


def with_frame(data: bytes, offset: int, value: bytes) -> bytes:
    """A JPEG whose frame header is changed at ``offset`` behind its marker."""
    at = data.index(b"\xff\xc0") + 2 + offset
    return data[:at] + value + data[at + len(value) :]


@pytest.mark.parametrize(
    ("image_format", "mode", "options", "header"),
    [
        ("JPEG", "RGB", {}, ImageHeader("jpeg", 30, 40, 3, 8)),
        ("JPEG", "RGB", {"progressive": True}, ImageHeader("jpeg", 30, 40, 3, 8)),
        ("JPEG", "RGB", {"restart_marker_blocks": 1}, ImageHeader("jpeg", 30, 40, 3, 8)),
        ("JPEG", "RGB", {"comment": b"\xff\xd9 in a comment"}, ImageHeader("jpeg", 30, 40, 3, 8)),
        ("JPEG", "L", {}, ImageHeader("jpeg", 30, 40, 1, 8)),
        ("JPEG", "CMYK", {}, ImageHeader("jpeg", 30, 40, 4, 8)),
        ("PNG", "RGB", {}, ImageHeader("png", 30, 40, 3, 8)),
        ("PNG", "RGBA", {}, ImageHeader("png", 30, 40, 4, 8, is_transparent=True)),
        ("PNG", "L", {}, ImageHeader("png", 30, 40, 1, 8)),
        ("PNG", "LA", {}, ImageHeader("png", 30, 40, 2, 8, is_transparent=True)),
        ("PNG", "P", {}, ImageHeader("png", 30, 40, 3, 8)),
        ("PNG", "1", {}, ImageHeader("png", 30, 40, 1, 1)),
    ],
)
def test_usable_pictures_tell_their_size(encoded, image_format, mode, options, header):
    assert probe(encoded(image_format, mode, **options)) == header


def test_a_16_bit_png_is_usable():
    buffer = io.BytesIO()
    Image.fromarray(np.full((5, 7), 40000, np.uint16)).save(buffer, "PNG")
    assert probe(buffer.getvalue()) == ImageHeader("png", 5, 7, 1, 16)


def test_one_pixel_is_a_picture(encoded):
    assert probe(encoded("JPEG", size=(1, 1))) == ImageHeader("jpeg", 1, 1, 3, 8)
    assert probe(encoded("PNG", size=(1, 1))) == ImageHeader("png", 1, 1, 3, 8)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exif_orientation_is_told_beside_the_size_as_stored(encoded, image_format, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    header = probe(encoded(image_format, exif=exif), formats=FORMATS)
    assert (header.height, header.width, header.orientation) == (30, 40, orientation)


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_there_is_not_turns_nothing(encoded, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert probe(encoded("JPEG", exif=exif)).orientation == 1


@pytest.mark.parametrize("text", ['<x tiff:Orientation="6"/>', "<tiff:Orientation>6</tiff:Orientation>"])
def test_xmp_tells_an_orientation_where_exif_does_not(encoded, text):
    assert probe(encoded("JPEG", xmp=text.encode())).orientation == 6
    assert probe(encoded("WEBP", xmp=text.encode()), formats=FORMATS).orientation == 6
    exif = Image.Exif()
    exif[0x0112] = 3
    assert probe(encoded("JPEG", xmp=text.encode(), exif=exif)).orientation == 3
    info = PngInfo()
    info.add_itxt("XML:com.adobe.xmp", text, zip=True)
    assert probe(encoded("PNG", pnginfo=info)).orientation == 6


def test_imagemagicks_profile_of_a_png_tells_an_orientation(encoded):
    exif = Image.Exif()
    exif[0x0112] = 8
    data = exif.tobytes()
    for is_zipped in (False, True):
        info = PngInfo()
        info.add_text("Raw profile type exif", f"\nexif\n{len(data)}\n{data.hex()}\n", zip=is_zipped)
        assert probe(encoded("PNG", pnginfo=info)).orientation == 8


def test_damaged_exif_costs_nothing(encoded):
    exif = Image.Exif()
    exif[0x0112] = 6
    whole = encoded("JPEG", exif=exif)
    at = whole.index(b"Exif")
    for offset in range(at, at + 32):
        for value in (0, 0xFF):
            changed = whole[:offset] + bytes([value]) + whole[offset + 1 :]
            header = probe(changed)
            assert (header.height, header.width) == (30, 40)
            assert 1 <= header.orientation <= 8


def test_the_thumbnails_end_marker_in_exif_is_not_the_pictures(encoded):
    thumbnail = encoded("JPEG", size=(8, 8))
    exif = b"\xff\xe1" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail
    whole = encoded("JPEG")
    assert probe(whole[:2] + exif + whole[2:]) == ImageHeader("jpeg", 30, 40, 3, 8)
    with pytest.raises(ImageError, match=r"^truncated"):
        probe((whole[:2] + exif + whole[2:])[:-20])


@pytest.mark.parametrize("image_format", ["JPEG", "PNG"])
def test_bytes_behind_the_end_are_tolerated(encoded, image_format):
    whole = encoded(image_format)
    assert probe(whole + b"\0\xff\xd8 trailing") == probe(whole)


def test_stray_bytes_between_segments_are_passed_over_as_libjpeg_does(encoded):
    whole = encoded("JPEG")
    at = whole.index(b"\xff\xdb")
    assert probe(whole[:at] + b"\0\0stray" + whole[at:]) == probe(whole)


def test_an_animated_png_counts_as_its_first_frame(encoded):
    frames = [Image.new("RGB", (6, 4), color) for color in ("red", "blue", "green")]
    buffer = io.BytesIO()
    frames[0].save(buffer, "PNG", save_all=True, append_images=frames[1:])
    assert probe(buffer.getvalue()) == ImageHeader("png", 4, 6, 3, 8, has_more_frames=True)


@pytest.mark.parametrize("options", [("JPEG", {}), ("JPEG", {"progressive": True}), ("PNG", {})], ids=str)
def test_a_picture_cut_anywhere_is_truncated(encoded, options):
    image_format, more = options
    whole = encoded(image_format, **more)
    for length in range(8, len(whole)):
        with pytest.raises(ImageError, match=r"^truncated: "):
            probe(whole[:length])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "^empty: 0 bytes$"),
        (b"\xff", "^not JPEG or PNG: unknown, starts with ff$"),
        (b"\xff\xd8", "^truncated: no end-of-image marker$"),
        (b"\xff\xd8\xff\xd9", "^damaged: JPEG without a picture$"),
        (b"\xff\xd8\xff\xe0\0\1\xff\xd9", "^damaged: JPEG segment ffe0 of length 1$"),
        (b"\xff\xd8\xff\xda\0\2\xff\xd9", "^damaged: JPEG scan before its frame header$"),
        (b"\xff\xd8\xff\xc0\0\2\xff\xd9", "^damaged: JPEG frame header too short$"),
        (b"\x89PNG\r\n\x1a\n", "^truncated: no PNG end chunk$"),
        (b"\x89PNG\r\n\x1a\n" + chunk(b"IDAT", b""), "^damaged: PNG without a header chunk$"),
        (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", b"short"), "^damaged: PNG without a header chunk$"),
        (b"\0" * 500, "^not JPEG or PNG: zero bytes$"),
        (b"hello, I am text\n", "^not JPEG or PNG: text$"),
        (b"<html><body>404</body>", "^not JPEG or PNG: XML or HTML$"),
        (b'<?xml version="1.0"?>\n<svg width="1">', "^not JPEG or PNG: SVG$"),
        (b"<svg onload='x()'>", "^not JPEG or PNG: SVG$"),
        (b"%!PS-Adobe-3.0 EPSF-3.0", "^not JPEG or PNG: EPS$"),
        (b"%PDF-1.7", "^not JPEG or PNG: PDF$"),
        (b"SIMPLE  =                    T", "^not JPEG or PNG: FITS$"),
        (b"8BPS\0\1", "^not JPEG or PNG: PSD$"),
        (b"gd2\0\0\2", "^not JPEG or PNG: GD2$"),
        (b"\xff\xfe\0\x10", "^not JPEG or PNG: GD2 or UTF-16 text$"),
        (b"\0\0\0\x20ftypheic", "^not JPEG or PNG: ISO media .'heic', such as HEIC or AVIF.$"),
        (b"\0\0\0\x20ftyp\xff\xfe\n\x1b", "^not JPEG or PNG: ISO media"),
        (b"PK\3\4", "^not JPEG or PNG: ZIP$"),
        (b"\x01\x02\x03\x04\x05", "^not JPEG or PNG: unknown, starts with 01020304$"),
    ],
)
def test_what_is_no_picture_is_called_by_its_name(data, reason):
    with pytest.raises(ImageError, match=reason):
        probe(data)


@pytest.mark.parametrize("image_format", ["GIF", "BMP", "TIFF", "WEBP"])
def test_other_formats_are_refused_whatever_the_file_is_called(encoded, image_format):
    with pytest.raises(ImageError, match=f"(?i)^not JPEG or PNG: {image_format}$"):
        probe(encoded(image_format))


@pytest.mark.parametrize(
    ("offset", "value", "reason"),
    [
        (3, b"\0\0", "^zero side: 40x0 pixels$"),
        (5, b"\0\0", "^zero side: 0x30 pixels$"),
        (3, b"\xff\xff\xff\xff", "^too large: 65535x65535 pixels, at most 67108864 in all$"),
        (2, b"\x0c", "^unusable JPEG: 12 bits a channel, wanted 8$"),
        (7, b"\x02", "^unusable JPEG: 2 channels, wanted 1, 3 or 4$"),
        (-1, b"\xc3", "^unusable JPEG: lossless or hierarchical .frame ffc3.$"),
        (7, b"\x40", "^damaged: JPEG frame header too short$"),
    ],
)
def test_a_jpeg_frame_that_cannot_be_used_says_why(encoded, offset, value, reason):
    with pytest.raises(ImageError, match=reason):
        probe(with_frame(encoded("JPEG"), offset, value))


def test_two_frame_headers_are_refused_for_the_second_could_lie_about_the_size(encoded):
    whole = encoded("JPEG")
    at = whole.index(b"\xff\xc0")
    segment = whole[at : at + 2 + int.from_bytes(whole[at + 2 : at + 4], "big")]
    with pytest.raises(ImageError, match="two frame headers"):
        probe(whole[:at] + segment + whole[at:])


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ((0, 5), "^zero side: 0x5 pixels$"),
        ((20000, 20000), "^too large: 20000x20000 pixels, at most 67108864 in all$"),
        ((1, 70000), "^too large: 1x70000 pixels, at most 65535 a side$"),
        ((2**31, 2**31), "^too large"),
    ],
)
def test_a_png_that_claims_an_absurd_size_is_refused_by_its_header(header, reason):
    with pytest.raises(ImageError, match=reason):
        probe(synthetic.png_header(*header))


@pytest.mark.parametrize("megapixels", [81, 144, 400])
def test_bombs_are_refused_at_the_default_limit(megapixels):
    side = int((megapixels * 1_000_000) ** 0.5)
    with pytest.raises(ImageError, match=r"^too large"):
        probe(synthetic.png_header(side, side))


def test_the_limit_of_pixels_is_inclusive(encoded):
    assert probe(encoded("PNG"), max_pixels=1200).width == 40
    with pytest.raises(ImageError, match=r"^too large: 40x30 pixels, at most 1199 in all$"):
        probe(encoded("PNG"), max_pixels=1199)
    with pytest.raises(ImageError, match=r"^too large: 40x30 pixels, at most 1199 in all$"):
        probe(encoded("JPEG"), max_pixels=1199)


def test_a_png_with_a_changed_byte_is_damaged(encoded):
    whole = encoded("PNG")
    for offset in range(8, len(whole)):
        changed = bytearray(whole)
        changed[offset] ^= 0x10
        with pytest.raises(ImageError):
            probe(bytes(changed))


def test_a_png_without_pixels_or_with_an_odd_chunk_is_damaged(encoded):
    whole = encoded("PNG")
    with pytest.raises(ImageError, match=r"^damaged: PNG without a picture$"):
        probe(without(whole, b"IDAT"))
    with pytest.raises(ImageError, match=r"^damaged: PNG chunk named 00000000 at byte 33$"):
        probe(whole[:33] + chunk(b"\0\0\0\0", b"") + whole[33:])
    with pytest.raises(ImageError, match=r"^damaged: PNG of colour type 3 with 16 bits$"):
        probe(whole[:8] + chunk(b"IHDR", b"\0\0\0\1\0\0\0\1\x10\3\0\0\0") + whole[33:])


def test_noise_behind_the_magic_ends_in_a_reason_never_in_a_crash():
    rng = random.Random(0)
    for _ in range(3000):
        magic = rng.choice([b"\xff\xd8", b"\xff\xd8\xff\xc0", b"\x89PNG\r\n\x1a\n", b""])
        with pytest.raises(ImageError):
            probe(magic + rng.randbytes(rng.randrange(60)))


def test_flipped_bytes_of_a_jpeg_end_in_a_header_or_a_reason(encoded):
    whole = encoded("JPEG", size=(16, 16))
    for offset in range(len(whole)):
        changed = bytearray(whole)
        changed[offset] ^= 0xFF
        try:
            header = probe(bytes(changed))
        except ImageError:
            continue
        assert header.height * header.width <= 2**26


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    ("image_format", "mode", "options"),
    [
        ("JPEG", "RGB", {"progressive": True}),
        ("JPEG", "L", {}),
        ("JPEG", "CMYK", {}),
        ("PNG", "RGBA", {}),
        ("PNG", "LA", {}),
        ("PNG", "P", {}),
        ("PNG", "1", {}),
        ("PNG", "I;16", {}),
    ],
)
def test_tensorflow_decodes_what_the_probe_lets_through(encoded, image_format, mode, options):
    import tensorflow.compat.v1 as tf

    data = encoded(image_format, mode, **options) if mode != "I;16" else _png_16_bit()
    header = probe(data)
    with tf.Graph().as_default(), tf.Session() as session:
        pixels = session.run(tf.image.decode_image(data, channels=3, expand_animations=False))
    assert pixels.shape == (header.height, header.width, 3)


def _png_16_bit() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.full((5, 7), 40000, np.uint16)).save(buffer, "PNG")
    return buffer.getvalue()
