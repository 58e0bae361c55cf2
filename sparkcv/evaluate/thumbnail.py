"""A small JPEG of a picture, for the report's gallery of mistakes."""

from __future__ import annotations

import io
import warnings

from PIL import Image

from sparkcv.preprocess.picture_file import TURNS

SIDE = 144
"""Longest side in pixels; a gallery of 24 then costs the page about 150 kB."""

QUALITY = 82

_FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP")


def thumbnail(encoded: bytes, *, side: int = SIDE, max_pixels: int = 2**26, orientation: int = 1) -> bytes:
    """Return a JPEG of at most ``side`` x ``side`` pixels of an encoded picture; empty if it cannot be drawn.

    The picture is shown as the net saw it, so its own EXIF orientation is not applied. Small pictures are enlarged by a
    whole factor without smoothing: a page that blurs 32 pixels hides what the net had to go by.

    Args:
        encoded: bytes of a picture of a format that TensorFlow decodes.
        side: longest side of the result in pixels.
        max_pixels: a larger picture is not decoded.
        orientation: how the net's input was turned, 1 to 8 as EXIF counts.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of odd metadata and large pictures
            with Image.open(io.BytesIO(encoded), formats=_FORMATS) as picture:
                if picture.width * picture.height > max_pixels:
                    return b""
                picture.draft("RGB", (2 * side, 2 * side))
                turned = TURNS.get(orientation)
                small = _fit(_rgb(picture), side)
                return _jpeg(small if turned is None else small.transpose(turned))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return b""  # a thumbnail is a help, never a reason to fail


def _rgb(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I"):  # 16-bit grey: Pillow's own conversion clips at 255
        return picture.convert("I").point(lambda value: value / 256).convert("L").convert("RGB")
    return picture.convert("RGB")


def _fit(picture: Image.Image, side: int) -> Image.Image:
    factor = side // max(picture.size)
    if factor > 1:
        return picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)
    picture.thumbnail((side, side))
    return picture


def _jpeg(picture: Image.Image) -> bytes:
    sink = io.BytesIO()
    picture.save(sink, "JPEG", quality=QUALITY)
    return sink.getvalue()
