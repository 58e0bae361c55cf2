"""A real net for tests, small and quickly made: LeNet, trained on our drawn shapes for some seconds.

One of random weights would not do: how far it may be rounded says nothing of nets that have learned something.
"""

import os
import pathlib

import numpy as np

from sparkcv import synthetic
from sparkcv.config import ExportConfig
from sparkcv.driver import export
from sparkcv.rundir import checkpoint_publication
from tests.predict.checkpoints import NAMES, write_labels

NET, SIZE = "lenet", 28
_STEPS, _BATCH = 100, 32


def drawn(count, first=0, kind="jpeg"):
    """Return ``count`` drawn pictures as files, of the four shapes in turn."""
    return [synthetic.encode(synthetic.draw(i % len(NAMES), first + i, SIZE), kind) for i in range(count)]


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

    pictures = drawn(320, first=1000)
    images = np.stack(PillowDecoder(NET, SIZE).decode([(picture, 1) for picture in pictures]))
    labels = np.arange(len(images)) % len(NAMES)
    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(1)
        taken, known = tf.placeholder(tf.float32, [None, SIZE, SIZE, 3]), tf.placeholder(tf.int32, [None])
        logits, _ = nets.get(NET).build(taken, len(NAMES), is_training=False)
        step = tf.train.create_global_step()
        loss = tf.losses.sparse_softmax_cross_entropy(known, logits)
        learn = tf.train.AdamOptimizer(1e-3).minimize(loss)
        session.run(tf.global_variables_initializer())
        random = np.random.default_rng(1)
        for _ in range(_STEPS):
            batch = random.integers(0, len(images), _BATCH)
            session.run(learn, {taken: images[batch], known: labels[batch]})
        (folder / "local").mkdir(parents=True)
        prefix = tf.train.Saver([*model_variables(), step]).save(
            session, str(folder / "local" / "model.ckpt"), global_step=5
        )
    (folder / "run").mkdir()
    checkpoint_publication.publish(prefix, 5, str(folder / "run"), model_name=NET)
    return str(folder / "run")
