"""Pillow stands in for TensorFlow's decoder: it refuses no picture that TensorFlow takes."""

import io
import zlib

import numpy as np
import pytest
from PIL import Image

from sparkcv.predict.engines.pillow import PillowDecoder
from sparkcv.preprocess.picture_file import PictureRules
from sparkcv.style import picture_pixels

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
