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


def tiny_jpeg(tag: int, *, height: int = 4, width: int = 6) -> bytes:
    """A JPEG by structure, whose bytes depend on no library; ``tag`` is its content."""
    frame = b"\x08" + height.to_bytes(2, "big") + width.to_bytes(2, "big") + b"\x01\x01\x11\x00"
    scan = b"\x01\x01\x00\x00\x3f\x00"
    parts = [(0xC0, frame), (0xDA, scan)]
    body = b"".join(bytes([0xFF, marker]) + (len(data) + 2).to_bytes(2, "big") + data for marker, data in parts)
    return b"\xff\xd8" + body + tag.to_bytes(4, "big").replace(b"\xff", b"\xff\x00") + b"\xff\xd9"


@pytest.fixture
def tree(tmp_path):
    """A function that makes a picture tree of so many files a class, and returns its folder."""

    def make(folder: str = "pictures", **per_class: int):
        root = tmp_path / folder
        for position, (label, count) in enumerate(sorted(per_class.items())):
            (root / label).mkdir(parents=True, exist_ok=True)
            for index in range(count):
                (root / label / f"{index:03d}.jpg").write_bytes(tiny_jpeg(position * 1000 + index))
        return root

    return make
