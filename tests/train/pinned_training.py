"""A tiny net that is trained for 5 steps by each optimizer and each decay: what is pinned, and what pins it.

The benchmark ``bench/fidelity_slim.py --pins`` has the same numbers made by TF-Slim's own functions.
"""

import numpy as np
import tensorflow.compat.v1 as tf

from sparkcv.config import TrainConfig
from sparkcv.config.train import OPTIMIZERS
from sparkcv.train import losses, replicas

STEPS, BATCH, RECORDS = 5, 4, 8
SLIM_DECAYS = ("fixed", "exponential", "polynomial")
IMAGES = np.linspace(-1.0, 2.0, BATCH * 6, dtype=np.float32).reshape(BATCH, 6) ** 2
LABELS = np.array([0, 2, 1, 2], np.int64)


def table(rule, decays=SLIM_DECAYS):
    """The loss after 5 steps, one weight and its moving average, by optimizer and decay.

    ``rule(config, num_records, global_step)`` returns learning rate and optimizer.
    """
    return {(name, decay): trained(rule, name, decay) for name in sorted(OPTIMIZERS) for decay in decays}


def trained(rule, optimizer, decay):
    config = TrainConfig(
        optimizer=optimizer,
        learning_rate_decay_type=decay,
        learning_rate=0.5,
        end_learning_rate=0.05,
        learning_rate_decay_factor=0.5,
        num_epochs_per_decay=1.0,
        batch_size=BATCH,
        label_smoothing=0.1,
    )
    with tf.Graph().as_default(), tf.Session() as session:
        step = tf.train.get_or_create_global_step()
        start = np.arange(18, dtype=np.float32).reshape(6, 3) / 20 - 0.5
        weights = tf.get_variable("weights", initializer=start, use_resource=True)
        logits = tf.matmul(tf.constant(IMAGES), weights)
        (entropy,) = losses.softmax_losses(logits, {}, tf.constant(LABELS), 3, config.label_smoothing)
        loss = entropy + 0.01 * tf.nn.l2_loss(weights)
        averages = replicas.MovingAverages(0.9, step)
        move = averages.apply([weights])
        _, made = rule(config, RECORDS, step)
        gradients = made.compute_gradients(loss, [weights])
        with tf.control_dependencies([move]):
            train_op = made.apply_gradients(gradients, global_step=step)
        session.run(tf.global_variables_initializer())
        for _ in range(STEPS):
            session.run(train_op)
        value, matrix, average = session.run([loss, weights, averages.average(weights)])
    return value, matrix[4, 1], average[4, 1]
