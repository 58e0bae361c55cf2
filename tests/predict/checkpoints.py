"""Checkpoints of random weights for tests, published as a training run publishes them."""

import pathlib

from sparkcv import storage
from sparkcv.rundir import checkpoint_publication

NAMES = ("circle", "square", "star", "stripes")


def write_run(folder, *, model_name="cifarnet", size=32, num_classes=4, step=5, channels=3, decay=None, spoil=()):
    """Write a run folder with one checkpoint; returns its URL.

    With ``decay`` the moving averages are saved too, each a tenth of its variable. ``spoil`` names variables whose
    first value becomes NaN.
    """
    import numpy as np
    import tensorflow.compat.v1 as tf

    from sparkcv import nets
    from sparkcv.nets.slim import model_variables

    folder = pathlib.Path(folder)
    local = folder / "local"
    local.mkdir(parents=True)
    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(1)
        images = tf.placeholder(tf.float32, [None, size, size, channels])
        nets.get(model_name).build(images, num_classes, is_training=False)
        tf.train.create_global_step()
        variables = model_variables()
        averages = tf.train.ExponentialMovingAverage(decay or 0.5)
        if decay:
            averages.apply(variables)
        session.run(tf.global_variables_initializer())
        for variable in variables:
            value = session.run(variable)
            if decay:
                averages.average(variable).load(value * 0.1, session)
            if variable.op.name in spoil:
                variable.load(np.where(np.arange(value.size).reshape(value.shape) == 0, np.nan, value), session)
        prefix = tf.train.Saver().save(session, str(local / "model.ckpt"), global_step=step)
    run = str(folder / "run")
    storage.make_dirs(run)
    checkpoint_publication.publish(prefix, step, run, model_name=model_name)
    return run


def write_labels(folder, names=NAMES):
    """Write a dataset folder that holds labels.txt only; returns its URL."""
    from sparkcv.records import labels

    storage.make_dirs(str(folder))
    labels.write_labels(str(folder), names)
    return str(folder)
