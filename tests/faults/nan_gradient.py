"""The training program with a fault of its own: at one step the chief's gradient, in TensorFlow, is not a number.

``NAN_AT`` is the global step before that update. It is so in each life, or, where ``NAN_ONCE`` names a file, until that
file is there: the first life makes it.
"""

import os
from pathlib import Path

import tensorflow.compat.v1 as tf

from sparkcv.cluster.topology import CHIEF, NodeContext
from sparkcv.train import loop

_STEPS = 3  # asynchronous workers count together: one of them may not see a certain step


def main(ctx: NodeContext) -> dict:
    once = os.environ.get("NAN_ONCE")
    if ctx.role == CHIEF and not (once and Path(once).exists()):
        if once:
            Path(once).touch()
        tf.train.GradientDescentOptimizer = faulty(int(os.environ["NAN_AT"]))
    return loop.main(ctx)


def faulty(at: int) -> type:
    """TensorFlow's own optimizer, whose gradients at that step are NaN."""

    class Faulty(tf.train.GradientDescentOptimizer):
        def compute_gradients(self, *args, **kwargs):
            step = tf.train.get_global_step().read_value()
            is_due = tf.logical_and(step >= at, step < at + _STEPS)
            factor = tf.where_v2(is_due, float("nan"), 1.0)
            found = super().compute_gradients(*args, **kwargs)
            return [(gradient if gradient is None else gradient * factor, variable) for gradient, variable in found]

    return Faulty
