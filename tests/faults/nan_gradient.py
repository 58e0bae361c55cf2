"""The training program with a fault of its own: from one step on the chief's gradient, in TensorFlow, is not a number.

``NAN_AT`` is the global step before that update, or before the first one after it: asynchronous workers count together,
so one of them may not see a certain step, and a life may begin after it. It is so in each life, or, where ``NAN_ONCE``
names a file, until that file is there: the first life makes it.
"""

import os
from pathlib import Path

from sparkcv.programs import train
from sparkcv.roles import CHIEF, NodeContext


def main(ctx: NodeContext) -> dict:
    once = os.environ.get("NAN_ONCE")
    if ctx.role == CHIEF and not (once and Path(once).exists()):
        if once:
            Path(once).touch()
        from sparkcv.nets.slim import tf

        tf.train.GradientDescentOptimizer = faulty(int(os.environ["NAN_AT"]))
    return train.main(ctx)


def faulty(at: int):
    """TensorFlow's own optimizer, whose gradients at that step are NaN."""

    from sparkcv.nets.slim import tf

    class Faulty(tf.train.GradientDescentOptimizer):
        def compute_gradients(self, *args, **kwargs):
            step = tf.train.get_global_step().read_value()
            factor = tf.where_v2(step >= at, float("nan"), 1.0)
            found = super().compute_gradients(*args, **kwargs)
            return [(gradient if gradient is None else gradient * factor, variable) for gradient, variable in found]

    return Faulty
