"""The training job, its driver and its roles as real processes of this machine, without Spark's seconds.

``python -m tests.faults.job --flag=value ...``: the flags, the exit code and the last words are the job's.
"""

import os
import sys

from sparkcv.config import TrainConfig
from sparkcv.driver import train
from sparkcv.driver.job import run_job
from tests.contracts.local_launcher import LocalLauncher


def work(config: TrainConfig) -> train.TrainReport:
    plan = train.prepare(config)
    if plan.is_finished:
        return train.already_finished(plan)
    return train.train_on(LocalLauncher(config.num_roles, [os.getcwd()]), plan)


if __name__ == "__main__":
    sys.exit(run_job(TrainConfig, "train", work))
