"""What flags say of pictures: formats, the background, the decoder's arithmetic."""

from sparkcv.errors import UsageError

__all__ = ["FORMATS", "JPEG_ARITHMETIC", "parse_background", "parse_formats"]

FORMATS = ("jpeg", "png", "gif", "bmp", "webp", "tiff", "avif", "jpeg2000")

JPEG_ARITHMETIC = ("accurate", "fast")
"""How JPEG's inverse transform is rounded: as every other reader does, the default, or as TensorFlow's default and
slim's scripts do, which is off by 1.9 levels in the mean and 17 at most."""


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
