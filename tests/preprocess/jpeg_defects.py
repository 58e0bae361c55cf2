"""JPEGs that decode and lost pixels, and files of several pictures."""

import io

from PIL import Image


def cut_inside(jpeg):
    """Leave the first half of a JPEG, and an end marker: its header is good, and the rest of its pixels are made up."""
    start = jpeg.index(b"\xff\xda")
    return jpeg[: start + (len(jpeg) - start) // 2] + b"\xff\xd9"


def several_frames(file_format, *, size=(16, 12), colors=("red", "blue")):
    """Return a file of one picture a colour."""
    first, *others = (Image.new("RGB", size, color) for color in colors)
    buffer = io.BytesIO()
    first.save(buffer, file_format, save_all=True, append_images=others)
    return buffer.getvalue()
