"""One contact sheet of formats, orientations and see-through pictures, as training and scoring decode them.

Every tile is the same picture, stored in another way: all must look alike, but for what a format cannot hold.

    python -m bench.gallery --output gallery.png --photograph FILE      # without a file, a drawn picture
"""

import argparse
import io
from collections.abc import Iterator

import numpy as np
import tensorflow.compat.v1 as tf
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from sparkcv import synthetic
from sparkcv.preprocess import EncodedPicture, decode, picture_file
from sparkcv.preprocess.picture_file import PictureRules

SIDE, LABEL, COLUMNS = 160, 18, 6
_TAG = 0x0112
# What a camera stores of an upright picture, by the orientation that it notes.
_STORED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def variants(upright: Image.Image) -> Iterator[tuple[str, bytes]]:
    """Yield the picture in each way to store it, with a label."""
    for file_format in ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "AVIF", "JPEG2000"):
        yield file_format, _encode(upright, file_format)
    for file_format in ("JPEG", "WEBP"):
        for orientation, stored in _STORED.items():
            exif = Image.Exif()
            exif[_TAG] = orientation
            yield f"{file_format} EXIF {orientation}", _encode(upright.transpose(stored), file_format, exif=exif)
    xmp = b'<x tiff:Orientation="6"/>'
    yield "JPEG XMP 6", _encode(upright.transpose(_STORED[6]), "JPEG", xmp=xmp)
    for mode in ("L", "P", "1", "CMYK"):
        yield f"TIFF mode {mode}", _encode(upright.convert(mode), "TIFF")
    yield "JPEG CMYK", _encode(upright.convert("CMYK"), "JPEG")
    yield "BMP palette", _encode(upright.convert("P", palette=Image.Palette.ADAPTIVE), "BMP")
    yield "PNG 16 bits", _encode(Image.fromarray(np.asarray(upright.convert("L")).astype(np.uint16) * 257), "PNG")
    clear = upright.convert("RGBA")
    mask = Image.new("L", upright.size, 0)
    ImageDraw.Draw(mask).ellipse((0, 0, *upright.size), fill=255)
    clear.putalpha(mask)
    for file_format in ("PNG", "WEBP", "TIFF", "GIF"):
        yield f"{file_format} see-through", _encode(clear, file_format)
    yield "GIF animated", _encode(upright, "GIF", save_all=True, append_images=[Image.new("RGB", upright.size, "red")])


def _encode(picture: Image.Image, file_format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, file_format, **options)
    return buffer.getvalue()


def sheet(tiles: list[tuple[str, NDArray[np.uint8]]]) -> Image.Image:
    """Return the tiles, uint8 ``[height, width, 3]``, in rows with their labels below."""
    rows = -(-len(tiles) // COLUMNS)
    drawn = Image.new("RGB", (COLUMNS * SIDE, rows * (SIDE + LABEL)), (60, 60, 60))
    pen = ImageDraw.Draw(drawn)
    for index, (label, pixels) in enumerate(tiles):
        left, top = index % COLUMNS * SIDE, index // COLUMNS * (SIDE + LABEL)
        small = Image.fromarray(pixels)
        small.thumbnail((SIDE - 4, SIDE - 4))
        drawn.paste(small, (left + 2, top + 2))
        pen.text((left + 4, top + SIDE), label, fill="white")
    return drawn


def main() -> None:
    """Write the sheet."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--photograph")
    parser.add_argument("--output", default="gallery.png")
    flags = parser.parse_args()
    upright = Image.open(flags.photograph) if flags.photograph else synthetic.draw(0, seed=1, size=240)
    upright = upright.convert("RGB")
    upright.thumbnail((480, 480))
    with tf.Graph().as_default(), tf.Session() as session:
        encoded, orientation = tf.placeholder(tf.string, []), tf.placeholder(tf.int64, [])
        pixels = decode.decode(EncodedPicture(encoded, orientation))
        tiles = []
        for label, data in variants(upright):
            seen = picture_file.read(data, PictureRules())
            tiles.append((label, session.run(pixels, {encoded: seen.encoded, orientation: seen.orientation})))
    sheet(tiles).save(flags.output)
    print(f"{len(tiles)} pictures in {flags.output}")


if __name__ == "__main__":
    main()
