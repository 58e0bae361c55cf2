"""What is lost inside of a JPEG is told, though it decodes; what is whole, of any kind, is not accused."""

import io
import random

import numpy as np
import pytest
from PIL import Image

from sparkcv.errors import ImageError
from sparkcv.preprocess.jpeg_damage import jpeg_warning
from sparkcv.preprocess.picture_file import PictureRules, read
from sparkcv.records.image_header import FORMATS, probe
from tests.preprocess.conftest import drawn
from tests.preprocess.jpeg_defects import cut_inside, several_frames

PREMATURE = "Corrupt JPEG data: premature end of data segment"


def jpeg(mode="RGB", **options):
    buffer = io.BytesIO()
    Image.fromarray(drawn(90, 120)).convert(mode).save(buffer, "JPEG", **options)
    return buffer.getvalue()


def zeroed(data):
    """The second half of the scan as zeros, the end marker in place."""
    start = data.index(b"\xff\xda")
    half = start + (len(data) - start) // 2
    return data[:half] + bytes(len(data) - half - 2) + b"\xff\xd9"


KINDS = [
    {},
    {"progressive": True},
    {"restart_marker_blocks": 4},
    {"subsampling": 0},
    {"subsampling": 2},
    {"mode": "L"},
    {"mode": "CMYK"},
    {"quality": 100},
    {"comment": b"Corrupt JPEG data"},
]


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_whole_jpeg_of_any_kind_is_not_accused(kind):
    data = jpeg(**kind)
    assert jpeg_warning(data, probe(data).channels) is None
    assert read(data, PictureRules(damaged="mark")).is_damaged is False
    assert read(data, PictureRules()).is_damaged is None


@pytest.mark.parametrize("kind", [kind for kind in KINDS if not kind.get("progressive")], ids=str)
@pytest.mark.parametrize("damage", [cut_inside, zeroed])
def test_pixels_lost_before_an_intact_end_are_told(kind, damage):
    whole = jpeg(**kind)
    data = damage(whole)
    pictures = [np.asarray(Image.open(io.BytesIO(each)).convert("RGB"), np.int16) for each in (whole, data)]
    assert np.abs(pictures[0] - pictures[1]).mean() > 2  # it decodes, without an error, to something else
    assert jpeg_warning(data, probe(data).channels)
    seen = read(data, PictureRules(damaged="mark"))
    assert (seen.is_damaged, seen.encoded) == (True, data)
    with pytest.raises(ImageError, match="damaged: pixels are lost, libjpeg says: Corrupt JPEG data"):
        read(data, PictureRules(damaged="reject"))


def test_no_flipped_bit_crashes_and_a_warning_is_never_made_up():
    whole, random_ = jpeg(), random.Random(5)
    start = whole.index(b"\xff\xda") + 14
    told = 0
    for _ in range(300):
        data = bytearray(whole)
        data[random_.randrange(start, len(data) - 2)] ^= 1 << random_.randrange(8)
        told += jpeg_warning(bytes(data)) is not None
    assert 30 < told < 300
    assert jpeg_warning(whole[:40]) is None  # not even a header: an error, no warning
    assert jpeg_warning(b"") is None


def test_more_than_one_frame_is_told_by_the_header():
    for file_format in ("GIF", "PNG", "WEBP", "TIFF", "AVIF"):
        data = several_frames(file_format)
        assert probe(data, formats=FORMATS).has_more_frames, file_format
        seen = read(data, PictureRules(damaged="mark"))
        assert seen.has_more_frames
        assert seen.is_damaged is (False if file_format == "PNG" else None)
        pixels = np.asarray(Image.open(io.BytesIO(seen.encoded)).convert("RGB"))
        assert pixels[0, 0, 0] > 200 > 60 > pixels[0, 0, 2], file_format  # the first one
        single = several_frames(file_format, colors=("red",))
        assert not probe(single, formats=FORMATS).has_more_frames, file_format
