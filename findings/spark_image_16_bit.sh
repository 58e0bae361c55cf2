#!/usr/bin/env bash
# Spark's image data source keeps the low byte of a 16-bit grey PNG, so that brightness wraps round every 256 levels.
#
# Behaviour: spark.read.format("image") gives one byte a pixel for a 16-bit grey PNG (mode 0, CV_8UC1). That byte is the
#   sample's low one. A ramp from black to white comes out as noise of no relation to it; no error, no warning.
#   TensorFlow's decode_png and every viewer keep the high byte.
# Seen: pyspark 4.3.0, pillow 13.0.0, Python 3.11, Java 17.
# Output: samples: 255, 256, 32768, 65280  spark: 255, 0, 0, 0  high byte: 0, 1, 128, 255
# Why it matters: medical and scientific pictures are 16-bit grey. Read their bytes (binaryFile) and decode them yourself.
set -euo pipefail
dir=$(mktemp -d) && trap 'rm -rf "$dir"' EXIT
"${PYTHON:-python3}" -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check pyspark==4.3.0 pillow==13.0.0
SPARK_LOCAL_IP=127.0.0.1 "$dir/venv/bin/python" - "$dir" <<'PY' 2>"$dir/log" || { code=$?; tail -5 "$dir/log"; exit $code; }
import pathlib
import struct
import sys

from PIL import Image
from pyspark.sql import SparkSession

samples = [255, 256, 32768, 65280]
pictures = pathlib.Path(sys.argv[1]) / "pictures"
pictures.mkdir()
for number, sample in enumerate(samples):
    data = struct.pack("<H", sample) * 64
    Image.frombytes("I;16", (8, 8), data).save(pictures / f"{number}.png")

spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
rows = spark.read.format("image").load(str(pictures)).orderBy("image.origin").collect()
spark.stop()
seen = [row.image.data[0] for row in rows]


def text(numbers):
    return ", ".join(str(number) for number in numbers)


print(f"samples: {text(samples)}  spark: {text(seen)}  high byte: {text([s >> 8 for s in samples])}")
sys.exit(seen != [sample & 0xFF for sample in samples] or {row.image.mode for row in rows} != {0})
PY
