"""Encoded pictures of every kind that a folder of pictures holds."""

import io

import numpy as np
import pytest
from PIL import Image


def encode(image_format: str, mode: str = "RGB", size: tuple[int, int] = (40, 30), **options) -> bytes:
    """Encode noise of ``size`` (width, height) with Pillow."""
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    picture = Image.fromarray(pixels).convert(mode)
    buffer = io.BytesIO()
    picture.save(buffer, image_format, **options)
    return buffer.getvalue()


@pytest.fixture
def encoded():
    """The function ``encode(format, mode, (width, height), **options) -> bytes``."""
    return encode
