"""The training job of job.py in a folder that nobody owns: what two runs do then."""

import os
import sys

from sparkcv.config import TrainConfig
from sparkcv.driver import train
from sparkcv.driver.job import run_main
from tests.contracts.local_launcher import LocalLauncher
from tests.driver.unheld import Unheld


def work(config: TrainConfig) -> train.TrainReport:
    plan = train.prepare(config)
    return train.run_on(LocalLauncher(config.num_roles, [os.getcwd()]), plan, hold=Unheld)


if __name__ == "__main__":
    sys.exit(run_main(TrainConfig, "train", work))
