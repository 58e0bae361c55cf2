"""The shape of examples/segmentation: a small U-Net over all workers, ``fit`` of Keras, one model saved at the end."""

import importlib


def train(args, ctx):
    import os

    os.environ["TF_USE_LEGACY_KERAS"] = "1"  # Keras 3's ``fit`` knows no MultiWorkerMirroredStrategy
    import numpy as np
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    strategy = tf.distribute.experimental.MultiWorkerMirroredStrategy()
    random = np.random.default_rng(0)
    corners = random.integers(0, 8, (64, 2))
    masks = np.zeros((64, 16, 16), np.int32)
    for mask, (top, left) in zip(masks, corners, strict=True):
        mask[top : top + 8, left : left + 8] = 1
    pictures = (masks[..., None] + random.normal(0, 0.1, (64, 16, 16, 1))).astype(np.float32)
    layers = tf.keras.layers
    with strategy.scope():
        inputs = layers.Input((16, 16, 1))
        down = layers.Conv2D(4, 3, padding="same", activation="relu")(inputs)
        low = layers.Conv2D(8, 3, 2, "same", activation="relu")(down)
        up = layers.Conv2DTranspose(4, 3, 2, "same", activation="relu")(low)
        model = tf.keras.Model(inputs, layers.Conv2D(2, 1, activation="softmax")(layers.Concatenate()([down, up])))
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    dataset = tf.data.Dataset.from_tensor_slices((pictures, masks)).repeat().batch(16)
    history = model.fit(dataset, epochs=2, steps_per_epoch=10, verbose=0).history
    importlib.import_module(f"{args['package']}.compat").export_saved_model(
        model, args["export_dir"], ctx.job_name == "chief"
    )
    if ctx.job_name == "chief":
        with open(f"{args['export_dir']}/loss", "w") as out:
            out.write(f"{history['loss'][0]} {history['loss'][-1]}")


def run(spark, package: str, folder: str) -> tuple[float, float]:
    """Train and return the first and the last epoch's loss."""
    cluster_of = importlib.import_module(f"{package}.TFCluster")
    args = {"package": package, "export_dir": f"{folder}/export"}
    cluster = cluster_of.run(spark.sparkContext, train, args, 2, 0, master_node="chief")
    cluster.shutdown(grace_secs=5)
    with open(f"{folder}/export/loss") as out:
        first, last = out.read().split()
    return float(first), float(last)
