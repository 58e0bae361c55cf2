#!/usr/bin/env bash
# OpenVINO reads a TensorFlow graph that begins with DecodeJpeg, and fails only when it is converted: it has no rule.
#
# Behaviour: a served classifier often takes JPEG bytes, its first operation being DecodeJpeg. openvino.convert_model
#   raises for it and names the operation. The same graph cut behind the decoder converts.
# Seen: openvino 2026.4.1, tensorflow-cpu 2.21.0, Python 3.11.
# Output: from bytes: OpConversionFailure, names DecodeJpeg: True  from floats: ok
# Why it matters: an export that serves bytes cannot be the one that OpenVINO gets; export a float input beside it.
set -euo pipefail
dir=$(mktemp -d) && trap 'rm -rf "$dir"' EXIT
"${PYTHON:-python3}" -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check tensorflow-cpu==2.21.0 openvino==2026.4.1
TF_CPP_MIN_LOG_LEVEL=3 "$dir/venv/bin/python" - "$dir" <<'PY' 2>"$dir/log" || { code=$?; tail -5 "$dir/log"; exit $code; }
import sys

import openvino
import tensorflow.compat.v1 as tf

tf.disable_eager_execution()


def convert(from_bytes):
    graph = tf.Graph()
    with graph.as_default():
        if from_bytes:
            encoded = tf.placeholder(tf.string, [], name="input")
            picture = tf.cast(tf.io.decode_jpeg(encoded, channels=3), tf.float32)
        else:
            picture = tf.placeholder(tf.float32, [None, None, 3], name="input")
        tf.reduce_mean(picture, axis=[0, 1], name="output")
    path = f"{sys.argv[1]}/{from_bytes}.pb"
    tf.io.write_graph(graph, "/", path, as_text=False)
    try:
        openvino.convert_model(path)
    except Exception as err:
        return f"{type(err).__name__}, names DecodeJpeg: {'DecodeJpeg' in str(err)}"
    return "ok"


seen = [convert(True), convert(False)]
print("from bytes: {}  from floats: {}".format(*seen))
sys.exit(seen != ["OpConversionFailure, names DecodeJpeg: True", "ok"])
PY
