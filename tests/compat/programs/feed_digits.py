"""The shape of examples/mnist keras and of the pipeline's test: rows by Spark, Keras on all workers, a model saved.

Spark feeds rows; a generator makes batches of them; each worker computes its part of a step with
``MultiWorkerMirroredStrategy``; training ends before the rows do, the chief exports, and the rest is not fed.
"""

import importlib


def train(args, ctx):
    import os

    os.environ["TF_USE_LEGACY_KERAS"] = "1"  # Keras 3's ``fit`` knows no MultiWorkerMirroredStrategy
    import numpy as np
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    compat = importlib.import_module(f"{args.package}.compat")
    strategy = tf.distribute.experimental.MultiWorkerMirroredStrategy()
    feed = ctx.get_data_feed(input_mapping=args.input_mapping)

    def rows():
        while not feed.should_stop():
            batch = feed.next_batch(1)
            if batch["image"]:
                yield np.asarray(batch["image"][0], np.float32) / 255, np.float32(batch["label"][0])

    kinds = (tf.TensorSpec((784,)), tf.TensorSpec(()))
    options = tf.data.Options()
    compat.disable_auto_shard(options)
    dataset = tf.data.Dataset.from_generator(rows, output_signature=kinds).batch(args.batch_size).with_options(options)
    with strategy.scope():
        model = tf.keras.Sequential(
            [tf.keras.layers.Dense(10, activation="softmax", input_shape=(784,), name="scores")], name="digits"
        )
        model.compile(loss="sparse_categorical_crossentropy", optimizer=tf.keras.optimizers.Adam(0.01))
    model.fit(dataset, epochs=1, steps_per_epoch=args.steps, verbose=0)
    compat.export_saved_model(model, args.export_dir, ctx.job_name == "chief")
    feed.terminate()


def run(spark, package: str, folder: str) -> float:
    """Train by ``TFEstimator`` on digits, and return the share of others that ``TFModel`` tells rightly."""
    from digits import digits

    pipeline = importlib.import_module(f"{package}.pipeline")

    def frame(count: int, seed: int):
        pictures, labels = digits(count, seed)
        rows = [(picture.reshape(-1).tolist(), int(label)) for picture, label in zip(pictures, labels, strict=True)]
        return spark.createDataFrame(spark.sparkContext.parallelize(rows, 6), ["pixels", "number"])

    estimator = (
        pipeline.TFEstimator(train, {"package": package})
        .setInputMapping({"pixels": "image", "number": "label"})
        .setModelDir(f"{folder}/model")
        .setExportDir(f"{folder}/export")
        .setClusterSize(2)
        .setMasterNode("chief")
        .setBatchSize(16)
        .setEpochs(3)
        .setSteps(40)  # 320 of about 900 rows each: no worker may lack rows for a step that the other computes
        .setGraceSecs(5)
    )
    model = (
        estimator.fit(frame(600, 0))
        .setTagSet("serve")
        .setSignatureDefKey("serving_default")
        .setInputMapping({"pixels": "scores_input"})
        .setOutputMapping({"scores": "scores"})
    )
    others = frame(60, 1)
    told = [max(range(10), key=row.scores.__getitem__) for row in model.transform(others).collect()]
    wanted = [row.number for row in others.collect()]
    return sum(a == b for a, b in zip(told, wanted, strict=True)) / len(wanted)
