"""How a stored picture is to be turned: the orientation, 1 to 8, that cameras write into EXIF and editors into XMP.

EXIF 2.32, tag 0x0112 of the first directory; XMP, the property ``tiff:Orientation``. Damaged metadata tell nothing:
they never cost a picture.
"""

import re
import struct

__all__ = ["from_exif", "from_raw_profile", "from_xmp"]

_TAG, _SHORT, _LONG = 0x0112, 3, 4
_ENTRY_BYTES = 12
_XMP = re.compile(rb"tiff:Orientation\s*(?:=\s*[\"']|>)\s*([1-8])\s*[\"'<]")


def from_exif(data: bytes) -> int | None:
    """Return the orientation that a TIFF structure tells, which EXIF is behind its first six bytes, or None."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(bytes(data[:4]))
    if order is None or len(data) < 10:
        return None
    (first,) = struct.unpack_from(f"{order}I", data, 4)
    if first + 2 > len(data):
        return None
    (count,) = struct.unpack_from(f"{order}H", data, first)
    for entry in range(first + 2, min(first + 2 + _ENTRY_BYTES * count, len(data) - _ENTRY_BYTES + 1), _ENTRY_BYTES):
        tag, kind, number = struct.unpack_from(f"{order}HHI", data, entry)
        if tag == _TAG:
            if number != 1 or kind not in (_SHORT, _LONG):
                return None
            (value,) = struct.unpack_from(f"{order}{'H' if kind == _SHORT else 'I'}", data, entry + 8)
            return value if 1 <= value <= 8 else None
    return None


def from_xmp(data: bytes) -> int | None:
    """Return the orientation that an XMP packet tells, or None."""
    found = _XMP.search(data)
    return int(found.group(1)) if found else None


def from_raw_profile(text: bytes) -> int | None:
    """Return the orientation of ImageMagick's ``Raw profile type exif``: EXIF in hexadecimal digits, or None."""
    words = text.split(None, 2)  # the profile's name, its length, its digits
    try:
        data = bytes.fromhex(b"".join(words[2:]).decode("ascii"))
    except ValueError:
        return None
    return from_exif(data.removeprefix(b"Exif\0\0"))
