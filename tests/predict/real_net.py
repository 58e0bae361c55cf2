"""A real net for tests, small and quickly made: random layers below a last one that was fitted to our drawn shapes."""

import os
import pathlib

import numpy as np

from sparkcv import synthetic
from sparkcv.config import ExportConfig
from sparkcv.driver import export
from sparkcv.rundir import checkpoint_publication
from tests.predict.checkpoints import NAMES, write_labels

NET, SIZE = "mobilenet_v1_025", 64
_LAST = "MobilenetV1/Logits/Conv2d_1c_1x1"


def drawn(count, first=0, kind="jpeg"):
    """Return ``count`` drawn pictures as files, of the four shapes in turn."""
    return [synthetic.encode(synthetic.draw(i % len(NAMES), first + i, 96), kind) for i in range(count)]


def write_model(folder):
    """Export the net into a folder below ``folder``; returns the model's folder."""
    from sparkcv.predict.export import graphs
    from sparkcv.programs import export as program

    run, model = write_run(pathlib.Path(folder)), pathlib.Path(folder) / "model"
    config = ExportConfig(
        checkpoint_path=run,
        dataset_dir=write_labels(pathlib.Path(folder) / "dataset"),
        model_dir=str(model),
        model_name=NET,
        image_size=SIZE,
    )
    task = export.prepare(config).task
    os.makedirs(model)
    program.write_model(task, graphs.freeze(task, task.found.prefix_url), str(model))
    return str(model)


def write_run(folder):
    """Write a run folder with a checkpoint of the net; returns its URL."""
    import tensorflow.compat.v1 as tf

    from sparkcv import nets
    from sparkcv.nets.slim import model_variables
    from sparkcv.predict.engines.pillow import PillowDecoder

    pictures = drawn(160, first=1000)
    images = np.stack(PillowDecoder("inception", SIZE).decode([(picture, 1) for picture in pictures]))
    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(1)
        taken = tf.placeholder(tf.float32, [None, SIZE, SIZE, 3])
        nets.get(NET).build(taken, len(NAMES), is_training=True, batch_norm_decay=0.0)
        _, points = nets.get(NET).build(taken, len(NAMES), is_training=False, reuse=True)
        tf.train.create_global_step()
        variables = {variable.op.name: variable for variable in model_variables()}
        session.run(tf.global_variables_initializer())
        # Without averages of its own values a random net's fade from layer to layer, to nothing that int8 could hold.
        session.run(tf.get_collection(tf.GraphKeys.UPDATE_OPS), {taken: images})
        features = session.run(points["AvgPool_1a"], {taken: images}).reshape(len(images), -1)
        weights, biases = fit(features, np.arange(len(images)) % len(NAMES))
        variables[f"{_LAST}/weights"].load(weights[None, None], session)
        variables[f"{_LAST}/biases"].load(biases, session)
        (folder / "local").mkdir(parents=True)
        prefix = tf.train.Saver().save(session, str(folder / "local" / "model.ckpt"), global_step=5)
    (folder / "run").mkdir()
    checkpoint_publication.publish(prefix, 5, str(folder / "run"), model_name=NET)
    return str(folder / "run")


def fit(features, labels):
    """Return weights and biases of the ridge regression to one-hot labels, scaled for the softmax behind them."""
    mean, deviation = features.mean(0), features.std(0) + 1e-9
    scaled = (features - mean) / deviation
    wanted = 8.0 * (np.eye(len(NAMES))[labels] - 0.5)
    solved = np.linalg.solve(scaled.T @ scaled + 10.0 * np.eye(scaled.shape[1]), scaled.T @ wanted)
    weights = solved / deviation[:, None]
    return weights.astype(np.float32), (-mean @ weights).astype(np.float32)
