#!/usr/bin/env bash
# TFRecordDataset reads a gzip file that lost its trailer to the end, without an error: the file's checksum is unused.
#
# Behaviour: a gzip file ends in 8 bytes, the CRC-32 and the length of what it holds. TensorFlow's reader neither needs
#   nor checks them. With the last 8 bytes gone, every record comes and the data set ends cleanly; so it does where the
#   CRC-32 does not fit. Python's gzip module raises EOFError and BadGzipFile.
# Seen: tensorflow-cpu 2.21.0, Python 3.11.
# Output: whole: 100 records  without trailer: 100 records  other checksum: 100 records
#         python: EOFError, BadGzipFile
# Why it matters: a shard that was cut during its upload passes for whole. Compare sizes or digests from a manifest.
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


def count(name):
    return sum(1 for _ in tf.data.TFRecordDataset(str(folder / name), compression_type="GZIP"))


def error(name):
    try:
        gzip.decompress((folder / name).read_bytes())
    except (EOFError, gzip.BadGzipFile) as err:
        return type(err).__name__
    return "none"


counts = [count(name) for name in ("whole.gz", "cut.gz", "other.gz")]
errors = [error(name) for name in ("cut.gz", "other.gz")]
print("whole: {} records  without trailer: {} records  other checksum: {} records".format(*counts))
print("python:", ", ".join(errors))
sys.exit((counts, errors) != ([100, 100, 100], ["EOFError", "BadGzipFile"]))
PY
