#!/usr/bin/env bash
# Pillow gives a grey TIFF of 16 bits with white as zero as its negative, and one of 12 bits at a sixteenth of its light.
#
# Behaviour: TIFF's tag PhotometricInterpretation 0 says that 0 is white. Pillow turns such values round where they have 8 bits,
#   and leaves them as they are where they have 16: a scan comes as its negative. Samples of 12 bits come in mode "I;16", which
#   is of 16 bits, with values of 0 to 4095: white is 4095 of 65535. Neither says so in any attribute but the TIFF's own tags.
# Seen: pillow 13.0.0, Python 3.11. Each file is one black and one white pixel.
# Output: 8 bits: 0 255  16 bits: 65535 0  12 bits: 0 4095
# Why it matters: scanners and microscopes write both. A net sees negatives, or black, and nothing warns of it. Look at the tags
#   262 and 258 of each file whose mode is I;16: turn round, and multiply by 16.
set -euo pipefail
dir=$(mktemp -d) && trap 'rm -rf "$dir"' EXIT
"${PYTHON:-python3}" -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check pillow==13.0.0
"$dir/venv/bin/python" - <<'PY'
import io
import struct
import sys

from PIL import Image


def tiff(bits, photometric, data):
    """A TIFF of two grey pixels beside each other, little-endian, not compressed: TIFF 6.0, section 4."""
    tags = [(256, 2), (257, 1), (258, bits), (259, 1), (262, photometric), (273, 122), (277, 1), (278, 1), (279, len(data))]
    entries = b"".join(struct.pack("<HHIHH", tag, 3, 1, value, 0) for tag, value in tags)
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + entries + bytes(4) + data


WHITE_IS_ZERO, BLACK_IS_ZERO = 0, 1
files = {
    "8 bits": tiff(8, WHITE_IS_ZERO, b"\xff\x00"),
    "16 bits": tiff(16, WHITE_IS_ZERO, b"\xff\xff\x00\x00"),
    "12 bits": tiff(12, BLACK_IS_ZERO, b"\x00\x0f\xff"),
}
seen = {}
for name, data in files.items():
    picture = Image.open(io.BytesIO(data))
    seen[name] = [picture.getpixel((x, 0)) for x in (0, 1)]
print("  ".join(f"{name}: {black} {white}" for name, (black, white) in seen.items()))
sys.exit(seen != {"8 bits": [0, 255], "16 bits": [65535, 0], "12 bits": [0, 4095]})
PY
