#!/usr/bin/env bash
# TensorFlow leaves out the alpha channel of a PNG when three channels are asked for, and refuses a WebP that has one.
#
# Behaviour: tf.io.decode_image(data, channels=3) gives red, green and blue of a PNG with alpha. Of a WebP with alpha it raises
#   InvalidArgumentError, "Number of channels requested does not match input", also where all of its pixels are opaque and
#   only the file's header says that it has an alpha channel. With channels=0 the same WebP gives four channels.
# Seen: tensorflow-cpu 2.21.0, pillow 13.0.0, Python 3.11.
# Output: PNG with alpha: (8, 8, 3)  WebP: (8, 8, 3)  WebP with alpha: Number of channels requested does not match input
# Why it matters: an input that asks for three channels, as TF-Slim's does, drops or ends at every such picture. Put them on a
#   background first, or decode with channels=0 and cut.
set -euo pipefail
dir=$(mktemp -d) && trap 'rm -rf "$dir"' EXIT
"${PYTHON:-python3}" -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check tensorflow-cpu==2.21.0 pillow==13.0.0
TF_CPP_MIN_LOG_LEVEL=3 "$dir/venv/bin/python" - <<'PY' 2>"$dir/log" || { code=$?; tail -5 "$dir/log"; exit $code; }
import io
import sys

import tensorflow as tf
from PIL import Image


def saved(mode, file_format):
    buffer = io.BytesIO()
    Image.new("RGBA", (8, 8), (200, 100, 50, 128)).convert(mode).save(buffer, file_format, lossless=True)
    return buffer.getvalue()


def shape(data):
    try:
        return str(tuple(tf.io.decode_image(data, channels=3, expand_animations=False).shape))
    except tf.errors.InvalidArgumentError as err:
        return err.message.partition("}} ")[2].partition(" [")[0]


seen = {
    "PNG with alpha": shape(saved("RGBA", "PNG")),
    "WebP": shape(saved("RGB", "WEBP")),
    "WebP with alpha": shape(saved("RGBA", "WEBP")),
}
print("  ".join(f"{name}: {what}" for name, what in seen.items()))
sys.exit(list(seen.values()) != ["(8, 8, 3)", "(8, 8, 3)", "Number of channels requested does not match input"])
PY
