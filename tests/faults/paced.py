"""The training program, whose workers rest between their steps.

A small net that steps as fast as it can keeps all cores of this machine busy, and a role that was killed is long in
coming back beside it. The soak's runs are not paced.
"""

import time

import tensorflow.compat.v1 as tf

from sparkcv.programs import train
from sparkcv.roles import NodeContext

_REST_S = 0.05


class _Paced(tf.train.MonitoredSession):
    def run(self, *args, **kwargs):
        time.sleep(_REST_S)  # what a step of a larger net would leave to others
        return super().run(*args, **kwargs)


def main(ctx: NodeContext) -> dict:
    tf.train.MonitoredSession = _Paced
    return train.main(ctx)
