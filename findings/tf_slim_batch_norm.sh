#!/usr/bin/env bash
# TF-Slim 1.1.0 imports on TensorFlow 2.21, but no layer with batch normalisation can be built.
#
# Behaviour: slim.conv2d alone works. slim.batch_norm asks tf.compat.v1's layers, which ask tf-keras for the module
#   tf_keras.legacy_tf_layers. tf-keras 2.21 keeps it at tf_keras.src.legacy_tf_layers. Aliased there, it works.
# Seen: tensorflow-cpu 2.21.0, tf-slim 1.1.0, tf-keras 2.21.0, Python 3.11.
# Output: conv2d: ok  batch_norm: No module named 'tf_keras.legacy_tf_layers'  batch_norm with the alias: ok
# Why it matters: Inception, ResNet and MobileNet of tf_slim.nets stop at their first layer; VGG and AlexNet do not.
set -euo pipefail
dir=$(mktemp -d) && trap 'rm -rf "$dir"' EXIT
"${PYTHON:-python3}" -m venv "$dir/venv"
# tf-keras requires the wheel with CUDA by name; the one without is the same code and half as large.
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check tensorflow-cpu==2.21.0
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps tf-slim==1.1.0 tf-keras==2.21.0
TF_USE_LEGACY_KERAS=1 TF_CPP_MIN_LOG_LEVEL=3 "$dir/venv/bin/python" -W ignore - <<'PY' 2>"$dir/log" || { code=$?; tail -5 "$dir/log"; exit $code; }
import importlib
import sys

import tensorflow.compat.v1 as tf
import tf_slim as slim

tf.disable_eager_execution()
pictures = tf.zeros([1, 8, 8, 3])


def attempt(layer, name):
    try:
        layer(pictures, name)
    except ImportError as err:
        return str(err)
    return "ok"


def conv(inputs, name):
    slim.conv2d(inputs, 4, [3, 3], scope=name)


def norm(inputs, name):
    slim.batch_norm(inputs, scope=name)


seen = {"conv2d": attempt(conv, "a"), "batch_norm": attempt(norm, "b")}
for part in ("", ".base", ".convolutional", ".core", ".normalization", ".pooling"):
    sys.modules[f"tf_keras.legacy_tf_layers{part}"] = importlib.import_module(f"tf_keras.src.legacy_tf_layers{part}")
seen["batch_norm with the alias"] = attempt(norm, "c")
print("  ".join(f"{name}: {value}" for name, value in seen.items()))
sys.exit(list(seen.values()) != ["ok", "No module named 'tf_keras.legacy_tf_layers'", "ok"])
PY
