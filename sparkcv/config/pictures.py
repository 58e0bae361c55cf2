"""What flags say of pictures and of the records that hold them, where several jobs have the same flag."""

from typing import Any

from sparkcv.config.flags import flag
from sparkcv.errors import UsageError

__all__ = [
    "FORMATS",
    "JPEG_ARITHMETIC",
    "exif_orientation",
    "image_feature",
    "jpeg_arithmetic",
    "label_feature",
    "parse_background",
    "parse_formats",
]

FORMATS = ("jpeg", "png", "gif", "bmp", "webp", "tiff", "avif", "jpeg2000")

JPEG_ARITHMETIC = ("accurate", "fast")
"""How JPEG's inverse transform is rounded: as every other reader does, the default, or as TensorFlow's default and
slim's scripts do, which is off by 1.9 levels in the mean and 17 at most."""


def jpeg_arithmetic(group: str) -> Any:
    """Declare ``--jpeg_arithmetic`` of a job that decodes records."""
    return flag(
        JPEG_ARITHMETIC[0],
        "how JPEG is decoded: as every other reader does, or fast, as TensorFlow's default and slim's scripts",
        group=group,
        choices=JPEG_ARITHMETIC,
    )


def exif_orientation(group: str) -> Any:
    """Declare ``--exif_orientation`` of a job that decodes records."""
    return flag(
        False,
        "turn pictures as their EXIF or XMP says also in shards that have no image/orientation, such as slim's",
        group=group,
    )


def image_feature(group: str) -> Any:
    """Declare ``--image_feature`` of a job that reads records."""
    return flag("image/encoded", "feature of the records that holds the picture", group=group)


def label_feature(group: str) -> Any:
    """Declare ``--label_feature`` of a job that reads records and their labels."""
    return flag(
        "image/class/label",
        "feature of the records that holds the label, a number or a name of labels.txt",
        group=group,
    )


def parse_formats(text: str) -> tuple[str, ...]:
    """Read ``--formats``, names with commas between; raises UsageError for one that there is not."""
    names = tuple(name.strip().lower() for name in text.split(","))
    for name in names:
        if name not in FORMATS:
            raise UsageError(f"--formats: got {name!r}, wanted some of {', '.join(FORMATS)}")
    return names


def parse_background(text: str) -> tuple[int, int, int]:
    """Read ``--background``, six hexadecimal digits of red, green and blue; raises UsageError for anything else."""
    digits = text.removeprefix("#")
    if len(digits) != 6 or not digits.isalnum() or not digits.isascii():
        raise UsageError(f"--background: got {text!r}, wanted six hexadecimal digits, such as ffffff")
    try:
        red, green, blue = bytes.fromhex(digits)
    except ValueError as err:
        raise UsageError(f"--background: got {text!r}, wanted six hexadecimal digits, such as ffffff") from err
    return red, green, blue
