"""A small model, and pictures of every kind."""

import io
import os
import shutil

import pytest
from PIL import Image

from tests.predict.models import COLORS, color_graph, write_folder

# TensorFlow and h5py set these when they are imported; the check for changed variables must not see it.
os.environ.setdefault("ENABLE_RUNTIME_UPTIME_TELEMETRY", "1")
os.environ.setdefault("HDF5_PLUGIN_PATH", "disable")


@pytest.fixture(scope="session")
def color_model(tmp_path_factory):
    """The folder of a model that tells red, green and blue pictures apart."""
    folder = tmp_path_factory.mktemp("models") / "colors"
    write_folder(folder, color_graph(16))
    return str(folder)


@pytest.fixture
def model_copy(color_model, tmp_path):
    """A copy of the model that a test may spoil."""
    return shutil.copytree(color_model, tmp_path / "model")


@pytest.fixture(scope="session")
def picture():
    """Makes the bytes of a plain picture: ``picture("red")``, ``picture("blue", "PNG", (9, 5))``."""

    def make(color, image_format="JPEG", size=(24, 20), mode="RGB", **options):
        image = Image.new("RGB", size, COLORS.get(color, color)).convert(mode)
        buffer = io.BytesIO()
        image.save(buffer, image_format, **options)
        return buffer.getvalue()

    return make


@pytest.fixture(scope="session")
def odd_pictures(picture):
    """Odd but usable: name -> bytes of a red picture."""
    exif = Image.Exif()
    oddities = {
        "cmyk.jpg": picture("red", mode="CMYK"),
        "grey.jpg": picture("red", mode="L"),
        "palette.png": picture("red", "PNG", mode="P"),
        "one-pixel.png": picture("red", "PNG", (1, 1)),
        "one-pixel.jpg": picture("red", size=(1, 1)),
        "progressive.jpg": picture("red", progressive=True),
        "png-named.jpg": picture("red", "PNG"),
        "grey-alpha.png": picture("red", "PNG", mode="LA"),
        "one-bit.png": picture("red", "PNG", mode="1"),
        "sixteen-bit.png": picture("red", "PNG", mode="I;16"),
        "tail.jpg": picture("red") + b"bytes behind the end",
    }
    for orientation in range(1, 9):
        exif[0x0112] = orientation
        oddities[f"exif-{orientation}.jpg"] = picture("red", exif=exif)
    return oddities


@pytest.fixture(scope="session")
def bad_pictures(picture):
    """Not usable: name -> (bytes, head of the reason)."""
    from sparkcv import synthetic

    whole = synthetic.encode(synthetic.draw(0, 0, 64), "jpeg")
    png = synthetic.encode(synthetic.draw(0, 0, 64), "png")
    bad = {
        "empty.jpg": (b"", "empty"),
        "text.jpg": (b"this is no picture\n", "not JPEG or PNG"),
        "gif.jpg": (picture("red", "GIF"), "not JPEG or PNG"),
        "bmp.jpg": (picture("red", "BMP"), "not JPEG or PNG"),
        "tiff.jpg": (picture("red", "TIFF"), "not JPEG or PNG"),
        "webp.jpg": (picture("red", "WEBP"), "not JPEG or PNG"),
        "svg.jpg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not JPEG or PNG"),
        "eps.jpg": (b"%!PS-Adobe-3.0 EPSF-3.0\n", "not JPEG or PNG"),
        "fits.jpg": (b"SIMPLE  =                    T", "not JPEG or PNG"),
        "bomb.png": (synthetic.png_header(20000, 20000), "too large"),
        "bomb-81.png": (synthetic.png_header(9000, 9000), "too large"),
        "bomb-144.png": (synthetic.png_header(12000, 12000), "too large"),
    }
    for tenth in range(10):
        bad[f"cut-{tenth}.jpg"] = (whole[: 2 + tenth * (len(whole) - 4) // 10], "truncated")
        bad[f"cut-{tenth}.png"] = (png[: 9 + tenth * (len(png) - 12) // 10], "truncated")
    return bad
