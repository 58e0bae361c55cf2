"""What is lost inside of a JPEG that decodes: libjpeg's warnings, which neither TensorFlow nor Pillow passes on.

A JPEG carries no checksum. Where its coefficients make no sense, libjpeg goes on with grey or shifted blocks and a
warning. simplejpeg tells of it, so each JPEG's coefficients are read once more, without most of the inverse transform:
a third of what decoding takes.
"""

import simplejpeg

__all__ = ["jpeg_warning"]

# Others of libjpeg's warnings, such as of a scan's odd parameters, say nothing of the pixels.
_OF_PIXELS = ("corrupt jpeg data", "premature end")


def jpeg_warning(data: bytes, channels: int = 3) -> str | None:
    """Return what libjpeg warns of in a JPEG's pixels; None if of nothing, or if it does not read this kind.

    ``channels`` are those of the header: 4 for CMYK.
    """
    try:
        _read(data, channels, strict=True)
    except ValueError as err:
        return " ".join(str(err).split())[:120] if _is_warning(str(err), data, channels) else None
    return None


def _is_warning(words: str, data: bytes, channels: int) -> bool:
    """Tell a warning from an error, of which the decoder will speak itself."""
    if not words.lower().startswith(_OF_PIXELS):
        return False
    try:
        _read(data, channels, strict=False)
    except ValueError:
        return False
    return True


def _read(data: bytes, channels: int, *, strict: bool) -> None:
    simplejpeg.decode_jpeg(
        data,
        "CMYK" if channels == 4 else "GRAY",
        fastdct=True,
        fastupsample=True,
        min_height=1,
        min_width=1,
        min_factor=8,
        strict=strict,
    )
