#!/usr/bin/env bash
# TensorFlow decodes a palette BMP into palette indices, as if they were colours, and raises no error.
#
# Behaviour: a BMP of 8 bits a pixel holds indices into a palette of colours. tf.io.decode_bmp(channels=3) and
#   decode_image return the index three times for each pixel; the palette is never applied. Pillow applies it.
# Seen: tensorflow-cpu 2.21.0, pillow 13.0.0, Python 3.11. A picture of pure red comes as (1, 1, 1).
# Output: pillow: (255, 0, 0)  decode_bmp: (1, 1, 1)  decode_image: (1, 1, 1)
# Why it matters: a net trains on nearly black noise and the loss says nothing. Convert palette BMPs with Pillow first.
set -euo pipefail
dir=$(mktemp -d) && trap 'rm -rf "$dir"' EXIT
"${PYTHON:-python3}" -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check tensorflow-cpu==2.21.0 pillow==13.0.0
TF_CPP_MIN_LOG_LEVEL=3 "$dir/venv/bin/python" - "$dir/red.bmp" <<'PY' 2>"$dir/log" || { code=$?; tail -5 "$dir/log"; exit $code; }
import sys

import tensorflow as tf
from PIL import Image

# 8 x 8 pixels, all of palette entry 1, which is pure red.
picture = Image.new("P", (8, 8), 1)
picture.putpalette([0, 0, 255, 255, 0, 0] + [0] * 762)
picture.save(sys.argv[1])

data = tf.io.read_file(sys.argv[1])
seen = {
    "pillow": Image.open(sys.argv[1]).convert("RGB").getpixel((0, 0)),
    "decode_bmp": tuple(tf.io.decode_bmp(data, channels=3)[0, 0].numpy().tolist()),
    "decode_image": tuple(tf.io.decode_image(data, channels=3)[0, 0].numpy().tolist()),
}
print("  ".join(f"{name}: {value}" for name, value in seen.items()))
sys.exit(seen != {"pillow": (255, 0, 0), "decode_bmp": (1, 1, 1), "decode_image": (1, 1, 1)})
PY
