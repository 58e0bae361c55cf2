"""Pillow stands in for TensorFlow's decoder: it refuses no picture that TensorFlow takes."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from sparkcv.predict.engines.pillow import PillowDecoder
from sparkcv.preprocess import picture_file
from sparkcv.preprocess.picture_file import PictureRules
from sparkcv.records import image_header
from sparkcv.style import picture_pixels

PALETTE = bytes([255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9])


def frame(left, width, colour):
    """A frame of a GIF, one row of a colour of the palette: codes of three bits, each behind one that clears."""
    codes = [*[4, colour] * width, 5]
    packed = sum(code << 3 * at for at, code in enumerate(codes))
    data = packed.to_bytes((3 * len(codes) + 7) // 8, "little")
    return b"\x2c" + struct.pack("<HHHHB", left, 0, width, 1, 0) + b"\2" + bytes([len(data)]) + data + b"\0"


def gif(*frames, clear=None):
    """A GIF of 3 x 1 with these frames; ``clear`` stands for transparent in the first."""
    control = b"" if clear is None else b"\x21\xf9\4\1\0\0" + bytes([clear]) + b"\0"
    return b"GIF89a" + struct.pack("<HHBBB", 3, 1, 0x81, 0, 0) + PALETTE + control + b"".join(frames) + b";"


def webp(mode, **options):
    buffer = io.BytesIO()
    Image.linear_gradient("L").convert(mode).save(buffer, "WEBP", **options)
    return buffer.getvalue()


def with_alpha_flag(data):
    """The same with the alpha bit of its extended header, which editors set though all is opaque."""
    assert data[12:16] == b"VP8X"
    return data[:20] + bytes([data[20] | 0x10]) + data[21:]


EXIF = b"Exif\0\0II*\0\x08\0\0\0" + bytes(6)
FLAGGED = with_alpha_flag(webp("RGB", lossless=True, exif=EXIF))
CLEAR = Image.merge("LA", [Image.linear_gradient("L")] * 2).convert("RGBA")


def saved(picture, file_format, **options):
    buffer = io.BytesIO()
    picture.save(buffer, file_format, **options)
    return buffer.getvalue()


NATIVE = {
    "gif": gif(frame(0, 3, 2)),
    "clear gif": gif(frame(0, 3, 2), clear=2),
    "gif with another clear colour": gif(frame(0, 3, 2), clear=3),
    "gif with a smaller frame": gif(frame(0, 3, 1), frame(1, 1, 2)),
    "webp": webp("RGB"),
    "png with alpha": saved(CLEAR, "PNG"),
}
NOT_NATIVE = {
    "gif that its frame does not cover": gif(frame(1, 1, 2)),
    "gif that its first frame does not cover": gif(frame(1, 1, 2), frame(0, 3, 1)),
    "gif whose later frame is larger": gif(frame(0, 3, 1), frame(0, 4, 2)),
    "clear webp": saved(CLEAR, "WEBP", lossless=True),
    "webp with an alpha channel that hides nothing": FLAGGED,
}


def is_native(data):
    return image_header.probe(data, formats=image_header.NATIVE_FORMATS).is_native


@pytest.mark.tensorflow
@pytest.mark.parametrize("name", [*NATIVE, *NOT_NATIVE])
def test_what_a_shard_may_hold_has_tensorflows_pixels_by_pillow_too(name):
    from sparkcv.predict.engines.decoding import TFDecoder

    data = {**NATIVE, **NOT_NATIVE}[name]
    assert is_native(data) == (name in NATIVE)
    if name in NATIVE:
        decoder = TFDecoder("lenet", 28)
        (wanted,), (found,) = decoder.decode([(data, 1)]), PillowDecoder("lenet", 28).decode([(data, 1)])
        decoder.close()
        np.testing.assert_array_equal(found, wanted)


def test_a_webp_with_an_alpha_channel_that_hides_nothing_is_stored_as_what_tensorflow_decodes():
    seen = picture_file.read(FLAGGED, PictureRules())
    assert seen.format == "png"
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(seen.encoded)))[:, 0, 0], np.arange(256))


LARGE = zlib.compress(bytes(3 << 20))


@pytest.mark.parametrize(
    ("kind", "body"),
    [(b"iCCP", b"profile\0\0" + LARGE), (b"zTXt", b"Comment\0\0" + LARGE), (b"iTXt", b"XML\0\1\0\0\0" + LARGE)],
)
def test_a_text_or_profile_of_a_png_that_expands_beyond_pillows_limit_costs_nothing(kind, body):
    buffer = io.BytesIO()
    Image.linear_gradient("L").convert("RGB").save(buffer, "PNG")
    whole = buffer.getvalue()
    chunk = len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")
    with_chunk = whole[:33] + chunk + whole[33:]
    plain, same = PillowDecoder("lenet", 28).decode([(whole, 1), (with_chunk, 1)])
    np.testing.assert_array_equal(same, plain)
    np.testing.assert_array_equal(picture_pixels.read(with_chunk, PictureRules())[:, 0, 0], np.arange(256))
