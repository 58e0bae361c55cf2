#!/usr/bin/env bash
# TFRecordDataset reads a gzip file that lost its trailer to the end, without an error: checksum and length are gone.
#
# Behaviour: a gzip file ends in 8 bytes, the CRC-32 and the length of what it holds. With these cut off every record
#   comes and the data set ends cleanly. With them there and another CRC-32, TensorFlow does raise DataLossError: it
#   checks a trailer, and does not miss one. Python's gzip module raises EOFError and BadGzipFile.
# Seen: tensorflow-cpu 2.21.0, Python 3.11.
# Output: whole: 100 records  without trailer: 100 records  other checksum: DataLossError
#         python: EOFError, BadGzipFile
# Why it matters: a shard whose upload was cut at its end passes for whole. Compare sizes or digests from a manifest.
set -euo pipefail
dir=$(mktemp -d) && trap 'rm -rf "$dir"' EXIT
"${PYTHON:-python3}" -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check tensorflow-cpu==2.21.0
TF_CPP_MIN_LOG_LEVEL=3 "$dir/venv/bin/python" - "$dir" <<'PY' 2>"$dir/log" || { code=$?; tail -5 "$dir/log"; exit $code; }
import gzip
import pathlib
import sys

import tensorflow as tf

folder = pathlib.Path(sys.argv[1])
whole = folder / "whole.gz"
with tf.io.TFRecordWriter(str(whole), tf.io.TFRecordOptions(compression_type="GZIP")) as writer:
    for number in range(100):
        writer.write(b"record %d" % number)
data = whole.read_bytes()
(folder / "cut.gz").write_bytes(data[:-8])
(folder / "other.gz").write_bytes(data[:-8] + bytes(byte ^ 0xFF for byte in data[-8:-4]) + data[-4:])


def read(name):
    try:
        return f"{sum(1 for _ in tf.data.TFRecordDataset(str(folder / name), compression_type='GZIP'))} records"
    except tf.errors.OpError as err:
        return type(err).__name__


def error(name):
    try:
        gzip.decompress((folder / name).read_bytes())
    except (EOFError, gzip.BadGzipFile) as err:
        return type(err).__name__
    return "none"


found = [read(name) for name in ("whole.gz", "cut.gz", "other.gz")]
errors = [error(name) for name in ("cut.gz", "other.gz")]
print("whole: {}  without trailer: {}  other checksum: {}".format(*found))
print("python:", ", ".join(errors))
sys.exit((found, errors) != (["100 records", "100 records", "DataLossError"], ["EOFError", "BadGzipFile"]))
PY
