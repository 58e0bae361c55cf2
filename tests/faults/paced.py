"""The training program, whose workers rest between their steps.

A small net that steps as fast as it can keeps all cores of this machine busy, and a role that was killed is long in
coming back beside it. The soak's runs are not paced.
"""

import time

from sparkcv.programs import train
from sparkcv.roles import NodeContext, Role

_REST_S = 0.05


class _Paced:
    def __call__(self, ctx: NodeContext) -> dict:
        return self.for_role(ctx.role)(ctx)

    def for_role(self, role: Role):
        program = train.main.for_role(role)
        if role.job != "ps":
            _rest_between_steps()
        return program


def _rest_between_steps() -> None:
    import tensorflow.compat.v1 as tf

    class Rested(tf.train.MonitoredSession):
        def run(self, *args, **kwargs):
            time.sleep(_REST_S)  # what a step of a larger net would leave to others
            return super().run(*args, **kwargs)

    tf.train.MonitoredSession = Rested


main = _Paced()
