"""Thumbnails of good pictures look like them; of bad ones there is none, and nothing else happens."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from sparkcv.evaluate.thumbnail import SIDE, thumbnail


def encoded(picture, form="PNG", **options):
    sink = io.BytesIO()
    picture.save(sink, form, **options)
    return sink.getvalue()


def opened(data):
    with Image.open(io.BytesIO(data)) as picture:
        picture.load()
        return picture


@pytest.mark.parametrize(
    ("size", "wanted"), [((800, 400), (SIDE, SIDE // 2)), ((32, 32), (128, 128)), ((1, 1), (144, 144))]
)
@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_it_is_a_jpeg_that_fits_the_gallery(size, wanted, form):
    small = opened(thumbnail(encoded(Image.new("RGB", size, "red"), form)))
    assert (small.format, small.size, small.mode) == ("JPEG", wanted, "RGB")
    red, green, blue = small.getpixel((0, 0))
    assert red > 240
    assert green + blue < 30


@pytest.mark.parametrize("mode", ["L", "1", "P", "RGBA", "LA", "CMYK"])
def test_every_colour_mode_that_is_scored_is_drawn(mode):
    picture = Image.new("RGB", (50, 40), "white").convert(mode)
    assert opened(thumbnail(encoded(picture, "JPEG" if mode == "CMYK" else "PNG"))).size == (100, 80)


def test_sixteen_bit_grey_keeps_its_shades():
    levels = np.array([[0, 32768, 65535]], np.uint16).repeat(48, axis=1).repeat(48, axis=0)
    small = opened(thumbnail(encoded(Image.fromarray(levels))))
    shades = [small.getpixel((x, 24))[0] for x in (24, 72, 120)]
    assert shades[0] < 10
    assert 118 < shades[1] < 138
    assert shades[2] > 245


def test_metadata_does_not_travel():
    exif = Image.Exif()
    exif[0x010E] = "a secret description"
    data = thumbnail(encoded(Image.new("RGB", (9, 9)), "JPEG", exif=exif))
    assert b"secret" not in data


def bomb(side):
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not a picture",
        encoded(Image.new("RGB", (64, 64)), "JPEG")[:300],
        encoded(Image.new("RGB", (64, 64)), "PNG")[:40],
        encoded(Image.new("RGB", (9, 9)), "TIFF"),
        encoded(Image.new("RGB", (9, 9)), "PCX"),
        bomb(10_000),
        bomb(30_000),
        bomb(8_000),
    ],
    ids=["empty", "text", "cut jpeg", "cut png", "tiff", "pcx", "100 Mpx", "900 Mpx", "64 Mpx without data"],
)
def test_what_cannot_be_drawn_gives_no_thumbnail(data):
    assert thumbnail(data) == b""


def test_a_turned_picture_is_drawn_as_the_net_saw_it():
    picture = Image.new("RGB", (4, 2), "red")
    picture.putpixel((0, 0), (0, 0, 255))
    small = opened(thumbnail(encoded(picture), side=8, orientation=6))
    assert small.size == (4, 8)
    red, _, blue = small.getpixel((3, 0))  # the stored corner at the left and top is upright's at the right and top
    assert blue > red
