"""The training job, its driver and its roles as real processes of this machine, without Spark's seconds.

``python -m tests.faults.job --flag=value ...``: the flags, the exit code and the last words are the job's. Roles train
by the program that ``SPARKCV_PROGRAM_UNDER_TEST`` names, if it does: one with a fault of its own.
"""

import dataclasses
import functools
import os
import sys

from sparkcv.config import TrainConfig
from sparkcv.driver import train
from sparkcv.driver.job import run_main
from tests.contracts.local_launcher import LocalLauncher
from tests.faults.running import PROGRAM


class Launcher(LocalLauncher):
    """Plain processes, which train by the program that was named."""

    def launch(self, name, count, body):
        (task,) = body.args
        program = os.environ.get(PROGRAM)
        if program and task.program == train.PROGRAM:
            body = functools.partial(body.func, dataclasses.replace(task, program=program))
        return super().launch(name, count, body)


def work(config: TrainConfig) -> train.TrainReport:
    plan = train.prepare(config)
    if plan.is_finished:
        return train.run(None, plan)
    return train.run_on(Launcher(config.num_roles, [os.getcwd()]), plan)


if __name__ == "__main__":
    sys.exit(run_main(TrainConfig, "train", work))
