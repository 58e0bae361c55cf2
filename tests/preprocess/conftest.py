"""Encoded pictures of every kind that training and scoring meet, and TensorFlow, whose import sets variables."""

import io

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope="session", autouse=True)
def _tensorflow():
    import sparkcv.nets.slim  # noqa: F401


def drawn(width=120, height=90):
    """Smooth colours, uint8 ``[height, width, 3]``: JPEG keeps them well."""
    y, x = np.mgrid[0:height, 0:width]
    planes = [127 + 100 * np.sin(x / 17.0), 127 + 100 * np.cos(y / 13.0), 127 + 100 * np.sin((x + y) / 29.0)]
    return np.stack(planes, axis=-1).astype(np.uint8)


def encoded(mode, file_format, width=120, height=90, **options):
    """The drawn picture in another mode and format, as bytes."""
    image = Image.fromarray(drawn(width, height))
    if mode == "I;16":
        image = Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    else:
        image = image.convert(mode)
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


KINDS = {
    "rgb jpeg": ("RGB", "JPEG", {"quality": 95}),
    "progressive jpeg": ("RGB", "JPEG", {"quality": 95, "progressive": True}),
    "cmyk jpeg": ("CMYK", "JPEG", {"quality": 95}),
    "grey jpeg": ("L", "JPEG", {"quality": 95}),
    "rgb png": ("RGB", "PNG", {}),
    "palette png": ("P", "PNG", {}),
    "grey png": ("L", "PNG", {}),
    "16-bit png": ("I;16", "PNG", {}),
    "transparent png": ("RGBA", "PNG", {}),
}


@pytest.fixture(params=sorted(KINDS))
def kind(request):
    """Each kind of picture in turn: ``(name, bytes)``."""
    mode, file_format, options = KINDS[request.param]
    return request.param, encoded(mode, file_format, **options)


@pytest.fixture(scope="session")
def jpeg():
    """120 x 90 pixels, RGB."""
    return encoded("RGB", "JPEG", quality=95)


@pytest.fixture(scope="session")
def png():
    """The same picture as a PNG."""
    return encoded("RGB", "PNG")
