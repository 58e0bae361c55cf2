"""Run by the archive's Python on the bare machine: use everything that a job uses, and tell what was found."""

import bz2
import ctypes
import io
import json
import lzma
import multiprocessing
import os
import sqlite3
import ssl
import subprocess
import sys
import zlib

import fsspec
import hdfs_native
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
from PIL import Image


def square(number):
    return number * number


def main():
    for codec in (bz2, lzma, zlib):
        assert codec.decompress(codec.compress(b"picture" * 100)) == b"picture" * 100
    assert sqlite3.connect(":memory:").execute("select 6 * 7").fetchone() == (42,)
    assert ctypes.CDLL(None).getpid() == os.getpid()
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.map(square, [1, 2, 3]) == [1, 4, 9]
    table = pa.Table.from_pandas(pd.DataFrame({"score": np.arange(5.0)}))
    with fsspec.open("/tmp/scores.parquet", "wb") as file:
        pyarrow.parquet.write_table(table, file)
    assert pyarrow.parquet.read_table("/tmp/scores.parquet") == table
    jpeg = io.BytesIO()
    Image.new("RGB", (75, 75), "red").save(jpeg, "jpeg")

    # Here, for the pool's process imports this file too. The room of nets first: it sets TensorFlow up for TF-Slim.
    from sparkcv import nets
    from sparkcv.archive import description
    from sparkcv.nets import slim  # noqa: F401

    import tensorflow as tf  # isort: skip

    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        picture = tf.ensure_shape(tf.image.decode_jpeg(jpeg.getvalue()), [75, 75, 3])
        images = tf.expand_dims(tf.cast(picture, tf.float32) / 127.5 - 1.0, 0)
        logits, _ = nets.get("inception_v3").build(images, num_classes=8, is_training=False)
        session.run(tf.compat.v1.global_variables_initializer())
        shape = list(session.run(logits).shape)

    # A child in another folder: it must not lose the libraries.
    child = subprocess.run([sys.executable, "-c", "import ssl"], cwd="/tmp", capture_output=True, text=True)
    with open("/proc/self/maps") as file:
        mapped = {line.split(maxsplit=5)[5].strip() for line in file if "/" in line}
    found = {
        "prefix": sys.prefix,
        "executable": sys.executable,
        "path": sys.path,
        "shape": shape,
        "tls": ssl.create_default_context().protocol.name,
        "hdfs": hdfs_native.Client.__name__,
        "child": child.stderr,
        "libraries": sorted(path for path in mapped if ".so" in path),
        "archive": description.read()["python"],
        "misfit": description.misfit(description.read()),
        "modules": {name: sys.modules[name].__file__ for name in ("tensorflow", "tf_slim", "sparkcv", "ssl", "ctypes")},
    }
    print("found:" + json.dumps(found))


if __name__ == "__main__":
    main()
