"""The shape of examples/mnist ``mnist_tf_ds`` and examples/resnet: files read by TensorFlow, flags as a list of words.

Keras 3 without ``fit``: a step of its own under ``MultiWorkerMirroredStrategy``, on TFRecords that ``dfutil`` wrote.
"""

import importlib


def train(argv, ctx):
    import argparse
    import sys

    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    assert sys.argv == argv, sys.argv
    parser = argparse.ArgumentParser()
    parser.add_argument("--files")
    parser.add_argument("--out")
    parser.add_argument("--steps", type=int)
    args = parser.parse_args(argv)
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    spec = {"image": tf.io.FixedLenFeature([784], tf.int64), "label": tf.io.FixedLenFeature([], tf.int64)}

    def parse(data):
        one = tf.io.parse_single_example(data, spec)
        return tf.reshape(tf.cast(one["image"], tf.float32) / 255, (28, 28, 1)), one["label"]

    # The writer's file names, which Hadoop's jar has as well.
    files = tf.data.Dataset.list_files(
        f"{ctx.absolute_path(args.files)}/part-r-*".removeprefix("file://"), shuffle=False
    )
    dataset = files.interleave(tf.data.TFRecordDataset).map(parse).repeat().batch(16 * ctx.num_workers)
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    layers = tf.keras.layers
    with strategy.scope():
        inputs = layers.Input((28, 28, 1))
        first = layers.Conv2D(4, 3, 2, "same", activation="relu")(inputs)
        second = layers.Conv2D(4, 3, 1, "same", activation="relu")(first)
        model = tf.keras.Model(inputs, layers.Dense(10)(layers.Flatten()(layers.Add()([first, second]))))
        optimizer = tf.keras.optimizers.Adam(0.01)
        optimizer.build(model.trainable_variables)

    @tf.function
    def step(batches):
        def one(pictures, labels):
            with tf.GradientTape() as tape:
                loss = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, model(pictures, training=True))
                loss = tf.nn.compute_average_loss(loss, global_batch_size=16 * ctx.num_workers)
            gradients = tape.gradient(loss, model.trainable_variables)
            optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
            return loss

        return strategy.reduce("SUM", strategy.run(one, args=next(batches)), axis=None)

    batches = iter(strategy.experimental_distribute_dataset(dataset.with_options(options)))
    losses = [float(step(batches)) for _ in range(args.steps)]
    if ctx.job_name == "chief":
        with tf.io.gfile.GFile(args.out, "w") as out:
            out.write(f"{losses[0]} {losses[-1]}")


def run(spark, package: str, folder: str) -> tuple[float, float]:
    """Write digits by ``dfutil``, train a small residual net on them, and return its first and last loss."""
    from digits import digits

    dfutil = importlib.import_module(f"{package}.dfutil")
    cluster_of = importlib.import_module(f"{package}.TFCluster")
    pictures, labels = digits(200)
    rows = [(picture.reshape(-1).tolist(), int(label)) for picture, label in zip(pictures, labels, strict=True)]
    dfutil.saveAsTFRecords(spark.createDataFrame(rows, ["image", "label"]).repartition(4), f"{folder}/tfr")
    argv = ["--files", f"{folder}/tfr", "--out", f"{folder}/losses", "--steps", "30"]
    mode = cluster_of.InputMode.TENSORFLOW
    cluster = cluster_of.run(spark.sparkContext, train, argv, 2, 0, input_mode=mode, master_node="chief")
    cluster.shutdown()
    with open(f"{folder}/losses") as out:
        first, last = out.read().split()
    return float(first), float(last)
