"""The shape of ``mnist_inference``: every executor by itself takes its share of files, and writes its own part."""

import importlib


def infer(args, ctx):
    import numpy as np
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    spec = {"label": tf.io.FixedLenFeature([], tf.int64)}
    files = tf.data.Dataset.list_files(f"{args.files}/part-r-*", shuffle=False).shard(ctx.num_workers, ctx.worker_num)
    dataset = files.interleave(tf.data.TFRecordDataset).map(
        lambda data: tf.io.parse_single_example(data, spec)["label"]
    )
    tf.io.gfile.makedirs(args.out)
    np.savetxt(f"{args.out}/part-{ctx.worker_num:05d}", np.array(list(dataset.as_numpy_iterator())), "%d")


def run(spark, package: str, folder: str) -> list[int]:
    """Write numbers by ``dfutil``, have two executors read a share each, and return what they wrote."""
    import argparse
    import pathlib

    dfutil, parallel = (importlib.import_module(f"{package}.{name}") for name in ("dfutil", "TFParallel"))
    dfutil.saveAsTFRecords(spark.range(12).toDF("label").repartition(4), f"{folder}/tfr")
    args = argparse.Namespace(files=f"{folder}/tfr", out=f"{folder}/out")
    parallel.run(spark.sparkContext, infer, args, 2)
    parts = sorted(pathlib.Path(args.out).iterdir())
    assert len(parts) == 2, parts
    return sorted(int(line) for part in parts for line in part.read_text().split())
